"""A comparison as a page for the docs: Markdown, and one figure as SVG.

`python -m benchmarks.compared FOLDER TO --said "..."`: FOLDER is what `headway compare` wrote beside its page, TO a
file that ends in `.md`. The figure, of the same name, shows delta-m against single-task networks with its intervals,
and every trial of tuned weights and every arm on validation.
"""

import json
from pathlib import Path
from typing import Any

import click
import pandas as pd

from pipeline.analysis.measured import Measured, apart

_ALL = "all"
_COLOURS = {"better": "#1fa37a", "worse": "#d4593f", "unclear": "#5b6b7c"}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("to", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--said", default="", help="A paragraph on data, machine and time.")
@click.option("--command", default="", help="That makes the comparison.")
def main(folder: Path, to: Path, said: str, command: str) -> None:
    """Write it."""
    told: dict[str, Any] = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    frontier = pd.read_csv(folder / "frontier.csv", keep_default_na=False, na_values=[""])
    to.parent.mkdir(parents=True, exist_ok=True)
    figure = to.with_suffix(".svg")
    draw(told, frontier, figure)
    to.write_text(page(told, (folder / "answer.txt").read_text(encoding="utf-8"), figure.name, said, command))


def page(told: dict[str, Any], answer: str, figure: str, said: str, command: str) -> str:
    """The report as Markdown.

    Args:
        told: What `comparison.json` holds.
        answer: Its first line answers; the others say what that leaves out.
        figure: Name of the picture's file.
        said: On data, machine and time.
        command: That makes the comparison.
    """
    first, *others = answer.strip().splitlines()
    tasks = list(dict.fromkeys(row["task"] for row in told["contrasts"] if row["task"] != _ALL))
    parts = [f"# {told['experiment']}: ways to choose the task weights", f"**{first}**", *others, said]
    parts += [f"```sh\n{command}\n```" if command else "", f"![delta-m and the frontier]({figure})"]
    parts += ["## On test", _levels(told, tasks), "## Is it more than noise?", _tests(), _differences(told)]
    parts += ["## What each arm chose", _chosen(told)]
    return "\n\n".join(part for part in parts if part) + "\n"


def draw(told: dict[str, Any], frontier: pd.DataFrame, to: Path) -> None:
    """The figure as SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "headway"  # the same picture, the same file
    from matplotlib import pyplot

    picture, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
    rows = [row for row in told["contrasts"] if row["task"] == _ALL and row["against"] == "single-task"]
    for place, row in enumerate(sorted(rows, key=lambda row: row["mean"])):
        colour = _COLOURS[row["verdict"]]
        left.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2)
        left.plot(row["mean"], place, "o", color=colour)
        left.text(-0.01, place, row["candidate"], transform=left.get_yaxis_transform(), ha="right", va="center")
    left.axvline(0, color="#999999", linewidth=1)
    left.set_yticks([])
    left.set_xlabel("delta-m on test against single-task networks, %")
    one, other = list(frontier.columns[2:4])
    trials, arms = (frontier[frontier["candidate"].isna() == it] for it in (True, False))
    right.scatter(trials[one], trials[other], s=14, color="#bbbbbb", label="trials of tuned weights")
    for number, row in enumerate(arms.to_dict("records")):
        right.scatter(row[one], row[other], s=45, marker="osD^v<>pPX*h"[number % 12], label=row["candidate"])
    for axis, values in ((right.set_xlim, arms[one]), (right.set_ylim, arms[other])):
        margin = max(0.5 * (values.max() - values.min()), 0.1)
        axis(values.min() - margin, values.max() + margin)
    right.set_xlabel(f"{one} on validation, %")
    right.set_ylabel(f"{other} on validation, %")
    right.legend(fontsize=7, ncols=2)
    picture.savefig(to, metadata={"Date": None})
    pyplot.close(picture)


def _levels(told: dict[str, Any], tasks: list[str]) -> str:
    levels = {(row["candidate"], row["task"]): row for row in told["test"] if row["primary"]}
    delta = {row["candidate"]: row for row in _together(told, "single-task")}
    groups = dict.fromkeys(candidate for candidate, _ in levels)
    metric = {task: next(row["metric"] for (_, own), row in levels.items() if own == task) for task in tasks}
    costs = _costs(told)
    body = [
        [
            name,
            *(f"{100 * it['mean']:.2f} {_interval(it, 100)}" for it in (levels[name, task] for task in tasks)),
            f"{delta[name]['mean']:+.2f} {_interval(delta[name], 1, sign=True)}" if name in delta else "",
            f"{costs[name]:.2f}" if name in costs else "",
        ]
        for name in groups
    ]
    headers = ["arm", *(f"{task}, {metric[task]} %" for task in tasks), "delta-m, %", "a step, of equal weights"]
    return _table(headers, body)


def _tests() -> str:
    return (
        "All tasks together, in percent: the mean difference, its interval (of the standard errors of test rows and of "
        "trainings added, uncorrected), and p corrected after Holm for the number of arms. Bold is more than noise."
    )


def _differences(told: dict[str, Any]) -> str:
    references = list(dict.fromkeys(row["against"] for row in told["contrasts"]))
    cells = {(row["candidate"], row["against"]): row for row in told["contrasts"] if row["task"] == _ALL}
    names = dict.fromkeys(candidate for candidate, _ in cells)
    body = [[name, *(_difference(cells.get((name, it))) for it in references)] for name in names]
    return _table(["arm", *(f"against {it}" for it in references)], body)


def _difference(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    p = "p unknown" if row["p_holm"] is None else f"p = {row['p_holm']:.3f}"
    mean = f"{row['mean']:+.2f}"
    return f"{mean if row['verdict'] == 'unclear' else f'**{mean}**'} {_interval(row, 1, sign=True)}, {p}"


def _chosen(told: dict[str, Any]) -> str:
    chosen = {row["arm"]: json.loads(row["winners_json"]) for row in told["arms"]}
    keys = sorted({key for winners in chosen.values() for winner in winners for key in winner["values"]})
    body = [
        [arm, str(place), *(_value(winner["values"].get(key)) for key in keys), f"{winner['objective']:.4f}"]
        for arm, winners in chosen.items()
        for place, winner in enumerate(winners)
    ]
    return _table(["arm", "replicate", *(key.split(".", 1)[1] for key in keys), "validation"], body)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {it:.2f}" for key, it in value.items())
    return "" if value is None else f"{value:.2g}"


def _costs(told: dict[str, Any]) -> dict[str, float]:
    """What a step of each arm costs, as a multiple of one with equal weights; without those that are not told apart."""
    times = ["step_us", "step_low_us", "step_high_us"]
    sums = pd.DataFrame(told["arms"]).groupby("group", sort=False)[times].sum()
    steps = {str(arm): Measured(*row) for arm, row in zip(sums.index, sums.to_numpy().tolist(), strict=True)}
    equal = steps["equal"]
    return {arm: it.median / equal.median for arm, it in steps.items() if it is equal or apart(it, equal)}


def _together(told: dict[str, Any], against: str) -> list[dict[str, Any]]:
    return [row for row in told["contrasts"] if row["task"] == _ALL and row["against"] == against]


def _interval(row: dict[str, Any], scale: float, sign: bool = False) -> str:
    shown = "+.2f" if sign else ".2f"
    return f"[{scale * row['low']:{shown}}, {scale * row['high']:{shown}}]"


def _table(headers: list[str], rows: list[list[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
