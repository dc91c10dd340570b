"""The README's table, in Markdown, from the results of the benchmarks.

python -m benchmarks.table > table.md
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pandas as pd

from benchmarks import one_model, overhead, study, time_to_quality
from benchmarks.common import machine, results
from benchmarks.common.measuring import ratio, summary

Lines = Iterator[str]


@click.command()
@click.option("--results", "folder", type=click.Path(path_type=Path, exists=True), default=results.FOLDER)
def main(folder: Path) -> None:
    """Print a table for every benchmark that was run."""
    for name, lines in TABLES.items():
        table = results.read(name, folder)
        if table is None:
            click.echo(f"`python -m benchmarks.{name}` was not run.\n")
            continue
        click.echo(f"*{machine.in_words(table.attrs['machine'])}; {table.attrs['data']}.*\n")
        click.echo("\n".join(lines(table)) + "\n")


def of_one_model(table: pd.DataFrame) -> Lines:
    """A row a contender, a block a network."""
    for network, part in table.groupby("network", sort=False):
        yield from _head(f"{network}: a step", "us, least", "us, median", "script takes", "of the floor of its size")
        for name, cost in summary(part, "cpu_seconds").iterrows():
            values = f"{1e6 * cost['min']:,.0f}", f"{1e6 * cost['median']:,.0f}"
            yield _row(name, *values, _times(part, one_model.SCRIPT, name), _times(part, name, _floor_for(str(name))))
        yield ""
    first = table[table["network"] == table["network"].iloc[0]]
    alone = ratio(first, one_model.stack_name(1), one_model.HAND, "cpu_seconds")
    yield f"One model takes {alone:.2f} times the step written by hand."


def _floor_for(name: str) -> str:
    """The floor of a stack's size and precision; of 1 for all others."""
    size, kind = name.removeprefix("stack of ").split(",")[0], ", bfloat16" if "bfloat16" in name else ""
    return f"floor of {size if size.isdigit() else 1}{kind}"


def of_study(table: pd.DataFrame) -> Lines:
    """A row a way, with how many times ours it takes."""
    ours = [name for name in table["name"].unique() if name.startswith("headway")]
    what = f"{table.attrs['trials']} trials of {table.attrs['epochs']} epochs"
    yield from _head(what, "s, least", "s, median", "trials an hour", *(f"times {name}" for name in ours))
    for name, cost in summary(table).iterrows():
        values = (
            f"{cost['min']:,.0f}",
            f"{cost['median']:,.0f}",
            f"{3600 * table.attrs['trials'] / cost['median']:,.0f}",
        )
        yield _row(name, *values, *(f"{ratio(table, str(name), it):.1f}" for it in ours))
    yield f"\nWhat is not `headway` was timed on {study.Size.part[0]} trials of {study.Size.part[1]} epochs and scaled."


def of_time_to_quality(table: pd.DataFrame) -> Lines:
    """A row a study; medians over its seeds."""
    target = f"until a trial has {table.attrs['target']:.4f} on validation"
    yield from _head(
        target,
        "s, median",
        "of which start-up",
        "s, whole study",
        "seeds",
        "sooner than the script",
        "than its whole study",
    )
    for name in (study.SCRIPT, time_to_quality.THROUGHPUT, time_to_quality.SCHEDULE):
        part = table[table["name"] == name]
        middle = part[["seconds", "start_up", "whole", "than_seconds", "than_whole"]].median()
        sooner = ["" if name == study.SCRIPT else f"{middle[it]:.0f}" for it in ("than_seconds", "than_whole")]
        seconds = [f"{middle[column]:,.1f}" for column in ("seconds", "start_up", "whole")]
        yield _row(name, *seconds, str(part["seed"].nunique()), *sooner)


def of_growth(table: pd.DataFrame) -> Lines:
    """A row a range."""
    yield from _head("from, to", "exponent of time", "of memory", "MiB at first", "MiB at last")
    for name, fit in table.attrs["exponents"].items():
        at = table.loc[table["range"] == name, "at"]
        values = (f"{fit[key]:.2f}" for key in ("time", "memory"))
        memory = (f"{fit[key]:,.0f}" for key in ("memory_first_mib", "memory_last_mib"))
        yield _row(f"{name} {at.min():,} to {at.max():,}", *values, *memory)


def of_overhead(table: pd.DataFrame) -> Lines:
    """A row a study, then the shares."""
    small = table[~table["name"].isin((overhead.LONG, overhead.EVALUATED, overhead.NOT_EVALUATED))]
    what = f"{table.attrs['trials']} trials of {table.attrs['epochs']} epochs"
    yield from _head(what, "s, least", "s, median", "of everything on")
    for name, cost in summary(small).iterrows():
        yield _row(
            name,
            f"{cost['min']:.1f}",
            f"{cost['median']:.1f}",
            _times(small, str(name), overhead.EVERYTHING, "seconds"),
        )
    yield ""
    cores = table.attrs["machine"]["cores"]
    for _, row in table[table["name"] == overhead.LONG].iterrows():
        share = overhead.books_percent(row, cores)
        yield f"A study of {table.attrs['long']} trials is {share:.1f} % tracking and bookkeeping, counted high."
    share = 1.0 - ratio(table, overhead.NOT_EVALUATED, overhead.EVALUATED, "cpu_seconds")
    yield f"Evaluation is {100 * share:.1f} % of an epoch."


TABLES: dict[str, Callable[[pd.DataFrame], Lines]] = {
    "one_model": of_one_model,
    "study": of_study,
    "time_to_quality": of_time_to_quality,
    "growth": of_growth,
    "overhead": of_overhead,
}


def _head(*columns: str) -> Lines:
    yield _row(*columns)
    yield _row(*("---" for _ in columns))


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _times(table: pd.DataFrame, name: str, to: object, column: str = "cpu_seconds") -> str:
    value = ratio(table, name, str(to), column)
    return "" if value != value else f"{value:.2f}"


if __name__ == "__main__":
    main()
