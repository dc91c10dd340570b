"""How costs grow, of whole jobs or of training alone, and with which exponents.

python -m benchmarks.growth [--of jobs] [--only columns]
python -m benchmarks.growth --of training
"""

from pathlib import Path

import click
import pandas as pd
import plotly.express as px

from benchmarks.common import machine, results
from benchmarks.common.options import shared
from benchmarks.growth import jobs, training
from benchmarks.growth.fits import above_fixed, fitted

_COSTS = ["user_s", "imports", "memory_mib", "report_mb"]


@click.command()
@shared(repeats=1)
@click.option("--of", "what", type=click.Choice(["jobs", "training", "bookkeeping"]), default="jobs", show_default=True)
@click.option("--only", default="", help="Only axes whose names contain this.")
def main(data: Path | None, repeats: int, quick: bool, folder: Path, what: str, only: str) -> None:
    """Measure all points and fit."""
    del data  # always made up here
    if what == "bookkeeping":
        for row in jobs.bookkeeping((4, 8) if quick else (32, 500, 2_000)):
            click.echo(
                ", ".join(f"{key} {it:.4f}" if isinstance(it, float) else f"{key} {it}" for key, it in row.items())
            )
        return
    (_of_training if what == "training" else _of_jobs)(repeats, quick, folder, only)


def _of_training(repeats: int, quick: bool, folder: Path, only: str) -> None:
    table = training.grown(repeats, quick, only)
    exponents = {name: fitted(part) for name, part in table.groupby("range", sort=False)}
    click.echo(pd.DataFrame(exponents).T.round(3).to_string())
    figure = px.line(table, x="at", y=["cpu_seconds", "memory_mib"], facet_col="range", log_x=True, log_y=True)
    figure.update_xaxes(matches=None)
    about = {"machine": machine.describe(), "data": "made-up bytes", "exponents": exponents}
    results.save("growth", table, about, figure, folder)


def _of_jobs(repeats: int, quick: bool, folder: Path, only: str) -> None:
    rows = []
    for row in jobs.grown(1 if quick else repeats, quick, only):
        rows.append(row)
        click.echo(", ".join(f"{key} {it:.2f}" if isinstance(it, float) else f"{key} {it}" for key, it in row.items()))
    table = pd.DataFrame(rows)
    medians = table.groupby(["axis", "size"], sort=False)[_COSTS].median()
    click.echo(medians.round(2).to_string())
    exponents = {}
    for axis, costs in medians.groupby(level="axis", sort=False):
        by_size = costs.droplevel("axis")["user_s"]
        if len(by_size) > 2:
            fixed, exponent = above_fixed(by_size)
            exponents[str(axis)] = {"fixed_s": fixed, "exponent": exponent}
            click.echo(f"{axis}: {fixed:.1f} s and size to the power {exponent:.2f}")
    figure = px.line(table, x="size", y="user_s", facet_col="axis", log_x=True, log_y=True)
    figure.update_xaxes(matches=None)
    about = {"machine": machine.describe(), "data": "made-up tables", "exponents": exponents}
    results.save("growth_of_jobs", table, about, figure, folder)


if __name__ == "__main__":
    main()
