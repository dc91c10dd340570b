"""What the prepared data hold: for each task the share of every class or label in each split, and what is missing."""

from collections.abc import Mapping
from typing import Any

from pipeline.kinds import kind_of
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import Panel, bar, series, styled, text

_MOST = 30  # classes that are drawn, the most frequent ones of train


def shares(manifest: Mapping[str, Any]) -> list[Panel]:
    """One panel a task, from the manifest of prepared data."""
    return [_panel(name, task, manifest["sources"][task["source"]]["rows"]) for name, task in manifest["tasks"].items()]


def _panel(name: str, task: Mapping[str, Any], rows: Mapping[str, int]) -> Panel:
    said = f"Targets: {', '.join(_known(split, task, count) for split, count in rows.items())}."
    if not task["classes"]:
        spread = f" Mean {task['mean']:.6g}, standard deviation {task['std']:.6g} in train."
        return Panel(f"{name} ({task['kind']})", None, said + spread)
    order = sorted(range(len(task["classes"])), key=lambda place: -task["counts"]["train"][place])[:_MOST]
    if len(order) < len(task["classes"]):
        said += f" The {_MOST} most frequent of {len(task['classes'])} are drawn."
    return Panel(f"{name} ({task['kind']})", _bars(task, order), said)


def _known(split: str, task: Mapping[str, Any], rows: int) -> str:
    """`5,400 of train`, with the share that is missing where any is."""
    known = task["labelled"][split]
    if kind_of(task["kind"]).per_token:
        return f"{sum(known):,} tags of {rows:,} rows in {split}"
    there = sum(known) / len(known)
    missing = f" ({100 * (1 - there / rows):.1f} % missing)" if there < rows else ""
    return f"{there:,.0f} of {rows:,} in {split}{missing}"


def _bars(task: Mapping[str, Any], order: list[int]) -> Figure:
    names = [text(task["classes"][place]) for place in order]
    figure = Figure()
    for index, (split, counts) in enumerate(task["counts"].items()):
        known = task["labelled"][split]
        whole = known if kind_of(task["kind"]).form == "labels" else [sum(counts)] * len(counts)
        figure.add_bar(
            name=split,
            x=names,
            y=[100 * counts[place] / max(whole[place], 1) for place in order],
            marker=bar(series(index), index),
            customdata=[counts[place] for place in order],
            hovertemplate="%{x} in " + split + ": %{customdata:,} rows, %{y:.1f} %<extra></extra>",
        )
    figure.update_xaxes(type="category")
    return styled(figure, height=280, y="percent of the split")
