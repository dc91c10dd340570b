"""The section on the search, drawn from the logged table of trials."""

from collections import Counter

import pandas as pd

from pipeline.analysis.metrics import TITLES
from pipeline.analysis.trials import study_of
from pipeline.reports.data import ReportData
from pipeline.reports.figures.search import history, importance, looks, parallel_coordinates, slices
from pipeline.reports.figures.weights import weights_over_trials
from pipeline.reports.page import Page, folded, paragraph
from pipeline.reports.shown import drawn
from pipeline.training.progress import STANDARD_ERROR


def search(page: Page, data: ReportData) -> list[str]:
    """Optimisation history, importance, parallel coordinates, slices and the weights of the tasks."""
    if data.trials is None or data.trials.empty:
        return []
    study = study_of(data.trials, data.space)
    few, fewer = drawn(data.trials)
    single = study_of(few, data.space)
    ended = Counter(_end(row) for row in data.trials[["state", "reason"]].to_dict("records"))
    said = ", ".join(f"{count} {how}" for how, count in ended.most_common())
    measured = ", ".join(f"{TITLES[metric]} of {task}" for task, metric in data.metrics.items())
    objective = f"The objective is the mean of {measured} on validation{_over_folds(data.trials)}."
    return [
        paragraph(f"{len(data.trials)} trials: {said}. {objective}"),
        paragraph(fewer),
        page.panels([*history(study), *looks(single)]),
        page.panels(importance(study)),
        page.panels(parallel_coordinates(single)),
        page.panels(weights_over_trials(few)),
        folded("Slices: the objective against each setting on its own", page.panels(slices(single))),
    ]


def _over_folds(trials: pd.DataFrame) -> str:
    """How well the best trial's objective is known, where it is a mean over folds."""
    complete = trials[trials["state"] == "COMPLETE"]
    if STANDARD_ERROR not in trials or complete.empty:
        return ""
    best = complete.loc[complete["value"].idxmax()]
    return (
        f", and over folds: {best['value']:.4f} for the best trial, with a standard error of {best[STANDARD_ERROR]:.4f}"
    )


def _end(row: dict) -> str:
    """How a trial ended, in a word."""
    known = {"COMPLETE": "completed", "FAIL": "failed"}.get(row["state"])
    return known or (row["reason"] if isinstance(row["reason"], str) and row["reason"] else str(row["state"]).lower())
