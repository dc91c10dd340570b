"""The page of `headway affinity`, its answer and its summary."""

from typing import Any

import numpy as np

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.tables import plain, primary
from pipeline.config.affinity import TOGETHER
from pipeline.reports.cells import contrast_table, opening_table, percent, reproduced
from pipeline.reports.figures.candidates import side_by_side
from pipeline.reports.page import Head, Page
from pipeline.reports.parts import Cell, Folded, Items, Panels, Paragraph, Part, Row, Subheading, Table, candidate
from pipeline.reports.words import bounds, times
from pipeline.studies.affinity.affinities import over_training
from pipeline.studies.affinity.answer import CALLED, advice, details, first
from pipeline.studies.affinity.figures import course_panel, gains_panel, matrix_panel
from pipeline.studies.affinity.result import AffinityResult

_AFFINITY = (
    "While all tasks trained together: the share of a task's loss (column) that a step for one task alone (row) takes "
    "away on the same rows, on average over training and seeds (lookahead affinity, Fifty et al. 2021). Negative where "
    "such a step adds to the loss."
)
_COSINES = "The cosine between the gradients of two tasks on what they share: below zero they pull apart."
_GROUPS = (
    "A task in a group can expect the mean affinity of the others onto it, a task by itself none; a grouping is worth "
    "the mean over the tasks. Delta-m is the mean relative change of the tasks' metrics on test against a network for "
    "each task. More networks have more parameters: each is as large as the one for all tasks."
)
_TESTS = (
    "Paired by row and by seed. Interval (95 %, uncorrected) and p come from one standard error: that of the rows of "
    "test, by resampling, and that of other seeds, added. p is corrected after Holm for the number of tests in its "
    "column (all tasks) or in the table's other columns (task by task). A difference is more than noise, and bold, "
    "where it is below 0.05."
)


def summary(found: AffinityResult) -> dict[str, Any]:
    """All numbers as plain data."""
    return {
        "experiment": found.name,
        "answer": first(found),
        "decision": found.decision.word,
        "advised": None if found.advised is None else [list(group) for group in found.advised],
        "proposal": [list(group) for group in found.proposal],
        "networks": found.networks,
        "seeds": found.seeds,
        "agreement": None if np.isnan(found.agreement) else found.agreement,
        "affinities": plain(found.affinities.table()),
        "groupings": plain(found.groupings),
        "gains": plain(found.gains),
        "contrasts": plain(found.contrasts),
    }


def affinity_page(found: AffinityResult) -> str:
    """One HTML document without external requests; its first line is the answer."""
    page = Page()
    page.section("affinity", "What the tasks are to one another", *_matrices(found))
    page.section("groupings", "The groupings", *_groupings(found))
    page.section("differences", "Is it more than noise?", *_contrasts(found))
    page.section("protocol", "How it was done", *_protocol(found))
    page.section("reproduce", "How to reproduce", *reproduced(found.commands, found.facts))
    head = Head(advice(found), first(found), "Affinity", found.name, details(found))
    return page.document(f"Headway: tasks of {found.name}", head)


def _matrices(found: AffinityResult) -> list[Part]:
    tasks = found.tasks
    affinity, cosine = (values.mean(0) for values in (found.affinities.affinity, found.affinities.cosine))
    for matrix in (affinity, cosine):
        np.fill_diagonal(matrix, np.nan)  # what a task is to itself would hide the others
    said = "a step for %{y} takes %{z:.4f} of the loss of %{x}"
    course = over_training(found.history, tasks, "affinity"), over_training(found.history, tasks, "cosine")
    return [
        Paragraph(_AFFINITY),
        Panels(
            [
                matrix_panel("affinity", tasks, affinity, said, "", 4),
                matrix_panel("cosine of the gradients", tasks, cosine, "%{y} and %{x}: %{z:.3f}", _COSINES, 2),
                course_panel("affinity over training", course[0], " onto ", "affinity"),
                course_panel("cosines over training", course[1], " and ", "cosine"),
            ]
        ),
    ]


def _groupings(found: AffinityResult) -> list[Part]:
    rows: list[Row] = [
        [
            candidate(row["candidate"], found.groupings["candidate"], " (proposed)" if row["proposed"] else ""),
            str(row["networks"]),
            f"{row['expected']:+.4f}",
            Cell(f"{row['delta_m']:+.2f} %", (bounds(row),)) if row["low"] == row["low"] else "",
        ]
        for row in found.groupings.to_dict("records")
    ]
    scores: list[Row] = [
        [candidate(row["candidate"], found.groupings["candidate"]), row["task"], row["metric"], percent(row)]
        for row in primary(found.evaluation.scores).to_dict("records")
    ]
    return [
        Paragraph(_GROUPS),
        Table(["grouping", "networks", "expected", "delta-m"], rows),
        Panels([gains_panel(found.gains)] if len(found.gains) else []),
        Panels(side_by_side(found.evaluation.scores)),
        Folded("All test metrics", Table(["grouping", "task", "metric", "mean"], scores)),
    ]


def _contrasts(found: AffinityResult) -> list[Part]:
    parts: list[Part] = [Paragraph(_TESTS)]
    for against in (TOGETHER, SINGLE):
        rows = found.contrasts[found.contrasts["against"] == against].to_dict("records")
        if rows:
            parts += [Subheading(f"Against {CALLED[against]}"), contrast_table(rows, "grouping", found.tasks)]
    return parts


def _protocol(found: AffinityResult) -> list[Part]:
    said = [
        "The affinities are of training rows: the proposal knows nothing of validation or test.",
        "Every network has the same settings and is trained for as many updates.",
        f"The test split was opened for all groupings at once; of these data {times(len(found.openings))} in all.",
    ]
    return [Items(said), opening_table(found.openings, "test opened")]
