"""What of many tasks, labels and trials the page shows. The rest is in the tables beside it, as CSV."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd

from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.trials import WEIGHT
from pipeline.config.tasks import ALL
from pipeline.reports.data import ReportData

MOST = 30
"""Tasks, and labels of a task."""

_TRIALS = 300


def narrowed(data: ReportData) -> tuple[ReportData, str]:
    """The same of fewer tasks and labels, and a sentence that says which are left; empty where all are.

    What is said of all tasks together has to be taken from the whole.
    """
    tasks, evaluation = data.tasks, data.evaluation
    evaluation = replace(evaluation, scores=_worst_labels(evaluation.scores))
    if len(tasks) <= MOST:
        return replace(data, evaluation=evaluation), ""
    shown = _worst(data)
    kept = {
        it.name: rows[rows["task"].isin([*shown, ALL])]
        for it in fields(Evaluation)
        if "task" in (rows := getattr(evaluation, it.name)).columns
    }
    about = {name: it for name, it in data.manifest["tasks"].items() if name in shown}
    hidden = [WEIGHT + task for task in tasks if task not in shown]
    trials = None if data.trials is None else data.trials.drop(columns=hidden, errors="ignore")
    said = (
        f"{MOST} of {len(tasks)} tasks are shown below, those on which the network does worst "
        f"{'against one of their own' if _has_differences(data) else 'by their metric'}; what is said of all tasks "
        "together is of all. The tables of the run evaluate (scores.csv, differences.csv, ...) hold every task."
    )
    return replace(
        data, evaluation=replace(evaluation, **kept), manifest={**data.manifest, "tasks": about}, trials=trials
    ), said


def drawn(trials: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Trials to draw one by one, of many the best and some of the others; and a sentence where that is not all."""
    if len(trials) <= _TRIALS:
        return trials, ""
    best = trials[trials["state"] == "COMPLETE"].nlargest(_TRIALS // 2, "value").index
    others = trials.index.difference(best)
    some = others[np.linspace(0, len(others) - 1, _TRIALS - len(best)).round().astype(int)]
    said = (
        f"{_TRIALS} of {len(trials):,} trials are drawn one by one: the {len(best)} best, and others evenly spaced; "
        "trials.csv of the run tune has all."
    )
    return trials.loc[best.union(some).sort_values()], said


def _has_differences(data: ReportData) -> bool:
    return len(data.difference(data.shared, data.of_role("single"))) > 0


def _worst(data: ReportData) -> list[str]:
    """The tasks that are shown."""
    rows = data.difference(data.shared, data.of_role("single"))
    if len(rows):
        return [str(task) for task in rows.nsmallest(MOST, "mean")["task"]]
    levels = {task: data.level(data.best, task) for task in data.tasks}
    return sorted(levels, key=lambda task: (levels[task] == levels[task], levels[task]))[:MOST]


def _worst_labels(scores: pd.DataFrame) -> pd.DataFrame:
    """Without the metrics of labels beyond the worst of their task, by their mean over candidates."""
    own = scores[scores["metric"].str.contains(".", regex=False)]
    if own.empty:
        return scores
    kinds = own["metric"].str.partition(".")[0].rename("kind")
    means = own.groupby(["task", kinds, "metric"])["mean"].mean()
    ranks = means.groupby(level=["task", "kind"]).rank(method="first").droplevel("kind")
    hidden = ranks.index[ranks.isna() | (ranks > MOST)]
    return scores[~pd.MultiIndex.from_frame(scores[["task", "metric"]]).isin(hidden)]
