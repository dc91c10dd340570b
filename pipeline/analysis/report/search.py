"""The section on the search, drawn from the logged table of trials."""

from collections import Counter

from pipeline.analysis.figures.search import history, importance, parallel_coordinates, slices
from pipeline.analysis.figures.weights import weights_over_trials
from pipeline.analysis.metrics import TITLES
from pipeline.analysis.report.data import ReportData
from pipeline.analysis.report.page import Page, folded, paragraph
from pipeline.analysis.trials import study_of


def search(page: Page, data: ReportData) -> None:
    """Optimisation history, importance, parallel coordinates, slices and the weights of the tasks."""
    if data.trials is None or data.trials.empty:
        return
    study = study_of(data.trials, data.space)
    ended = Counter(_end(row) for row in data.trials[["state", "reason"]].to_dict("records"))
    said = ", ".join(f"{count} {how}" for how, count in ended.most_common())
    measured = ", ".join(f"{TITLES[metric]} of {task}" for task, metric in data.metrics.items())
    page.section(
        "search",
        "The search",
        paragraph(f"{len(data.trials)} trials: {said}. The objective is the mean of {measured} on validation."),
        page.panels(history(study)),
        page.panels(importance(study)),
        page.panels(parallel_coordinates(study)),
        page.panels(weights_over_trials(data.trials)),
        folded("Slices: the objective against each setting on its own", page.panels(slices(study))),
    )


def _end(row: dict) -> str:
    """How a trial ended, in a word."""
    known = {"COMPLETE": "completed", "FAIL": "failed"}.get(row["state"])
    return known or (row["reason"] if isinstance(row["reason"], str) and row["reason"] else str(row["state"]).lower())
