"""Tables: what evaluate found, as data frames with one value a row, each written as CSV and read back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.analysis.candidate import CONSTANT
from pipeline.analysis.counts import added
from pipeline.analysis.metrics import LOWER_IS_BETTER, Scores
from pipeline.analysis.statistics.differences import delta_m, difference, level
from pipeline.analysis.statistics.intervals import Estimate, holm
from pipeline.printable import escape, printable

if TYPE_CHECKING:
    from pipeline.analysis.front import Point

_GAP = ["train", "validation", "gap", "gap_low", "gap_high"]
GATES = ["candidate", "seed", "level", "reader", "expert", "gate"]
FRONT = ["candidate", "seed", "point", "task", "share", "loss", "metric", "value"]
FINISHED = ["candidate", "task", "fall", "sd", "final", "unfinished"]
CONSTANTS = ["task", "answer"]
_ESTIMATE = ["mean", "low", "high", "se", "df", "p", "rows_var", "between_var", "knows", "num_seeds", "left_out"]
_DIFFERENCE = ["candidate", "against", "task", "metric", "primary", *_ESTIMATE, "p_holm", "verdict"]
_TEXT = ("candidate", "against", "role", "task", "metric", "split", "true", "answered", "answer", "knows", "verdict",
         "note", "differs", "key", "value_json", "reader", "expert")  # fmt: skip

_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
:root {{ color-scheme: light dark; }} body {{ font: 14px/1.5 system-ui, sans-serif; margin: 1.5rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }}
</style></head><body>{body}</body></html>
"""

TUNED_AGAINST_UNTUNED = "tuned against untuned baselines"
AGAINST_TUNED = "against tuned baselines"


def scores_table(scores: Mapping[str, Scores]) -> pd.DataFrame:
    """One row a candidate, task and metric: its mean over seeds, intervals, and whether it is the one that decides."""
    rows = [
        {"candidate": name, "task": task, "metric": metric, "primary": metric == it.primary}
        | _columns(level(it, metric))
        for name, task, it in _each(scores)
        for metric in it.metrics
    ]
    return pd.DataFrame(rows, columns=["candidate", "task", "metric", "primary", *_ESTIMATE])


def seeds_table(scores: Mapping[str, Scores]) -> pd.DataFrame:
    """One row a candidate, task, metric and seed."""
    rows = [
        {"candidate": name, "task": task, "metric": metric, "seed": seed, "value": value}
        for name, task, it in _each(scores)
        for metric, values in it.metrics.items()
        for seed, value in enumerate(values.tolist())
    ]
    return pd.DataFrame(rows, columns=["candidate", "task", "metric", "seed", "value"])


def differences_table(scores: Mapping[str, Scores], pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """One row a pair (candidate, against), task and metric that both have: the difference and what it says.

    `p_holm` is corrected for the number of tasks, and known of primary metrics; `verdict` is by `p_holm` there, and by
    `p` elsewhere.
    """
    rows = [row for candidate, against in pairs for row in _differences(scores, candidate, against)]
    return pd.DataFrame(rows, columns=_DIFFERENCE)


def constant_differences_table(scores: Mapping[str, Scores], references: Mapping[str, Scores]) -> pd.DataFrame:
    """Rows as of `differences_table`: every candidate against the constant prediction, in the primary metrics."""
    constant = references.get(CONSTANT, {})
    rows = []
    for name, tasks in scores.items():
        both = {name: {task: tasks[task] for task in tasks if task in constant}, CONSTANT: constant}
        rows += [row for row in _differences(both, name, CONSTANT) if row["primary"]]
    return pd.DataFrame(rows, columns=_DIFFERENCE)


def _differences(scores: Mapping[str, Scores], candidate: str, against: str) -> list[dict[str, Any]]:
    """Of one pair."""
    shared = [
        (task, metric, it)
        for task, it in scores[candidate].items()
        for metric in it.metrics
        if metric in scores[against][task].metrics
    ]
    found = [difference(it, scores[against][task], metric) for task, metric, it in shared]
    primaries = [metric == it.primary for _, metric, it in shared]
    corrected = np.full(len(found), np.nan)
    corrected[primaries] = holm(
        np.array([one.p for one, is_primary in zip(found, primaries, strict=True) if is_primary])
    )
    rows = []
    for (task, metric, it), one, p_holm in zip(shared, found, corrected.tolist(), strict=True):
        is_primary = metric == it.primary
        told = one.verdict(metric not in LOWER_IS_BETTER, p_holm if is_primary else None)
        names = {"candidate": candidate, "against": against, "task": task, "metric": metric, "primary": is_primary}
        verdict = "" if metric in it.undirected else told
        rows.append(names | _columns(one) | {"p_holm": p_holm, "verdict": verdict})
    return rows


def delta_m_table(scores: Mapping[str, Scores], pairs: Iterable[tuple[str, str]], tuned: Iterable[str]) -> pd.DataFrame:
    """One row a pair (candidate, against) of which both are there: delta-m in percent.

    Args:
        scores: By candidate.
        pairs: Who is held against whom.
        tuned: Those whose settings a search found; a `note` marks a pair of which one is and the other is not.
    """
    rows, tuned = [], set(tuned)
    for name, against in pairs:
        if name == against or against not in scores:
            continue
        found = delta_m(scores[name], scores[against])
        notes = {(True, False): TUNED_AGAINST_UNTUNED, (False, True): AGAINST_TUNED}
        note = notes.get((name in tuned, against in tuned), "")
        names = {"candidate": name, "against": against}
        rows.append(names | _columns(found) | {"verdict": found.verdict(), "note": note})
    return pd.DataFrame(rows, columns=["candidate", "against", *_ESTIMATE, "verdict", "note"])


def gaps_table(gaps: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> pd.DataFrame:
    """One row a candidate and task: its primary metric on train and validation, and their gap with its interval."""
    rows = [
        {
            "candidate": name,
            "task": task,
            "metric": it["metric"],
            "train": it["train"].mean,
            "validation": it["validation"].mean,
            "gap": it["gap"].mean,
            "gap_low": it["gap"].interval().low,
            "gap_high": it["gap"].interval().high,
        }
        for name, tasks in gaps.items()
        for task, it in tasks.items()
    ]
    return pd.DataFrame(rows, columns=["candidate", "task", "metric", *_GAP])


def confusions_table(scores: Mapping[str, Scores]) -> pd.DataFrame:
    """One row a candidate, task, true class and answered class: how many rows, summed over seeds.

    Mistakes are there where they occur; right answers of every class, in the classes' order.
    """
    columns = ["candidate", "task", "true", "answered", "count"]
    parts = []
    for name, task, it in _each(scores):
        if it.confusions is not None:
            right = np.arange(len(it.classes)).repeat(2).reshape(-1, 2)
            cells = added([np.pad(right, ((0, 0), (0, 1))), it.confusions])
            names = np.array(it.classes, object)
            values = [name, task, names[cells[:, 0]], names[cells[:, 1]], cells[:, 2]]
            parts.append(pd.DataFrame(dict(zip(columns, values, strict=True))))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def gates_table(gates: Mapping[str, Sequence[Mapping[tuple[int, str, str], float]]]) -> pd.DataFrame:
    """One row a candidate, seed, level, reader and expert: the mean gate.

    Args:
        gates: Those of each candidate's seeds, see `pipeline.analysis.gates`.
    """
    rows = [
        (name, seed, *at, gate)
        for name, seeds in gates.items()
        for seed, found in enumerate(seeds)
        for at, gate in found.items()
    ]
    return pd.DataFrame(rows, columns=GATES)


def front_table(fronts: Mapping[str, Sequence[Sequence["Point"]]], metrics: Mapping[str, str]) -> pd.DataFrame:
    """One row a candidate, seed, preference and task: its share, and its loss and primary metric on validation.

    Args:
        fronts: Those of each candidate's seeds, see `pipeline.analysis.front`.
        metrics: The primary metric of each task.
    """
    rows = [
        (name, seed, number, task, share, point.losses[task], metrics[task], point.metrics[task])
        for name, seeds in fronts.items()
        for seed, points in enumerate(seeds)
        for number, point in enumerate(points)
        for task, share in point.shares.items()
    ]
    return pd.DataFrame(rows, columns=FRONT)


def primary(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of scores or differences that are of the metric that decides for their task."""
    return table[table["primary"].astype(bool)]  # an empty table that was read has no types


def plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as they go into JSON, with nulls for what is not a number."""
    return json.loads(table.to_json(orient="records", double_precision=15))


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV."""
    table.to_csv(path, index=False)


def write_html(table: pd.DataFrame, path: Path, title: str) -> None:
    """Write a table as a page of its own."""
    shown = table.map(lambda cell: printable(cell) if isinstance(cell, str) else cell)
    body = shown.to_html(index=False, na_rep="", float_format=lambda value: f"{value:.6g}", border=0)
    path.write_text(_PAGE.format(title=escape(title), body=body), encoding="utf-8")


def read(path: Path) -> pd.DataFrame:
    """Read a table that `write` wrote: equal to the last bit, texts as texts even where they look like numbers."""
    table = pd.read_csv(path, dtype=dict.fromkeys(_TEXT, "str"), keep_default_na=False, na_values=[""])
    texts = [name for name in _TEXT if name in table]
    return table.fillna(dict.fromkeys(texts, ""))


def _each(scores: Mapping[str, Scores]) -> Iterable[tuple[str, str, Any]]:
    return ((name, task, it) for name, tasks in scores.items() for task, it in tasks.items())


def _columns(found: Estimate) -> dict[str, Any]:
    """An estimate as columns."""
    interval = found.interval()
    values: dict[str, Any] = {"mean": found.mean, "low": interval.low, "high": interval.high}
    values |= {name: getattr(found, name) for name in ("se", "df", "p", "rows_var", "between_var", "knows")}
    return values | {"num_seeds": found.num_seeds, "left_out": found.left_out}
