"""How far the networks of an arm ended apart, and how far a winner's validation score was luck."""

from html import escape

import pandas as pd

from pipeline.analysis.tables import primary
from pipeline.reports.cells import name
from pipeline.reports.data import ReportData
from pipeline.reports.page import paragraph, table


def spread(data: ReportData) -> str:
    """A table of standard deviations on test, arm by arm; nothing where there is one network of each."""
    found = deviations(data)
    if found.empty or found.isna().all(axis=None):
        return ""
    counts = data.evaluation.scores.groupby("candidate")["num_seeds"].min()
    rows = [
        [name(str(arm)), str(counts[arm]), *(f"{100 * value:.2f}" if value == value else "" for value in row)]
        for arm, row in zip(found.index, found.to_numpy(), strict=True)
    ]
    headers = ["candidate", "networks", *(f"{task}, points" for task in data.tasks)]
    caption = "How far the networks of each candidate ended apart on test: standard deviations"
    return table(headers, rows, caption) + _optimism(data)


def deviations(data: ReportData) -> pd.DataFrame:
    """The standard deviation between a candidate's networks of each task's primary metric on test."""
    metrics = primary(data.evaluation.scores)[["task", "metric"]].drop_duplicates()
    seeds = data.evaluation.seeds.merge(metrics, on=["task", "metric"])
    by_task = seeds.groupby(["candidate", "task"])["value"].std(ddof=1).unstack("task")
    order = [it for it in data.evaluation.candidates["candidate"] if it in by_task.index]
    return by_task.reindex(index=order, columns=list(data.tasks))


def _optimism(data: ReportData) -> str:
    if not data.optimism:
        return ""
    said = (
        "The validation objective of an arm's winners, less that of the same settings trained afresh: the luck of the "
        "trial that won. Mean over replicates."
    )
    rows = [[escape(arm), f"{value:+.4f}"] for arm, value in data.optimism.items()]
    return paragraph(said) + table(["arm", "winner less afresh"], rows)
