"""The sections of the page: each function returns the parts of one, none where there is nothing to show."""

import json
from collections import Counter

import pandas as pd

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.measured import apart
from pipeline.analysis.metrics import BATCH, TITLES
from pipeline.analysis.trials import study_of
from pipeline.reports.cells import (
    candidate_rows,
    finished_rows,
    front_rows,
    metric_table,
    opening_table,
    other_settings,
    reproduced,
    setting_rows,
    spread,
)
from pipeline.reports.data import ReportData
from pipeline.reports.figures.candidates import differences, gap_dots, side_by_side
from pipeline.reports.figures.confusion import confusion_matrices
from pipeline.reports.figures.costs import cost_bars, latency, step_times
from pipeline.reports.figures.curves import learning_curves
from pipeline.reports.figures.data import shares
from pipeline.reports.figures.gates import gate_maps
from pipeline.reports.figures.search import (
    history,
    importance,
    looks,
    parallel_coordinates,
    slices,
    weights_over_trials,
)
from pipeline.reports.figures.tradeoff import fronts, trade_off
from pipeline.reports.parts import Folded, Items, Panels, Paragraph, Part, Row, Subheading, Table, setting
from pipeline.reports.shown import drawn
from pipeline.reports.words import times
from pipeline.training.progress import STANDARD_ERROR

_BLIND = "Nothing was chosen by it: trials, weights and the champion saw validation only."


def configuration(data: ReportData) -> list[Part]:
    """The configuration to use, and what tuning changed in it."""
    if data.best == SINGLE:
        said = "Validation chose a network for each task, each with settings of its own; here stand those of the first."
    elif data.best == data.of_role("default"):
        there = "Validation chose it over what the search found" if data.of_role("tuned") else "There was no search"
        said = f"{there}: this is the experiment as written."
    else:
        said = "Found by the search, chosen by validation alone. What differs from the experiment as written:"
    headers = ["setting", "value", "as written"]
    return [
        Paragraph(said),
        Table(headers, setting_rows(data, changed_only=True)),
        Folded(
            "All settings",
            Table(headers, setting_rows(data, changed_only=False)),
            *(Paragraph(line) for line in other_settings(data)),
        ),
        *_of_champion(data),
    ]


def _of_champion(data: ReportData) -> list[Part]:
    """What the network that is registered was trained with, where that is one more replicate."""
    rows: list[Row] = [
        [task, setting(key), setting(json.dumps(value))]
        for task, values in data.champion_settings.items()
        for key, value in values.items()
    ]
    said = "What is registered has a study of its own, on all rows but validation, which chose:"
    return [Paragraph(said), Table(["of", "setting", "value"], rows)] if rows else []


def candidates(data: ReportData) -> list[Part]:
    """All candidates side by side, and against the single-task baselines."""
    rows = data.evaluation.delta_m.to_dict("records")
    marked = [f"delta-m of {row['candidate']}: {row['note']}." for row in rows if row["note"]]
    headers = ["candidate", *(f"{task}: {TITLES[it]}" for task, it in data.metrics.items()), "delta-m", "what it is"]
    table_of = data.evaluation.differences
    pairs = differences(table_of[table_of["candidate"] != data.of_role("separate")])
    return [
        Table(headers, candidate_rows(data)),
        Items(marked),
        Panels(side_by_side(data.evaluation.scores)),
        *([Subheading("Paired differences"), Panels(pairs)] if pairs else []),
        *spread(data),
        Folded("All test metrics", metric_table(data.evaluation.scores, "candidate", knows=True)),
    ]


def search(data: ReportData) -> list[Part]:
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
        Paragraph(f"{len(data.trials)} trials: {said}. {objective}"),
        Paragraph(fewer),
        Panels([*history(study), *looks(single)]),
        Panels(importance(study)),
        Panels(parallel_coordinates(single)),
        Panels(weights_over_trials(few)),
        Folded("Slices: the objective against each setting on its own", Panels(slices(single))),
    ]


def trade_offs(data: ReportData) -> list[Part]:
    """What one task gains and the other pays."""
    said = "Up and to the right is better. Trials have one seed, candidates the mean of theirs; all on validation."
    few = None if data.trials is None else drawn(data.trials)[0]
    return [Paragraph(said), Panels(trade_off(few, data.evaluation.gaps, data.metrics))]


def front(data: ReportData) -> list[Part]:
    """What a preference among the tasks chooses from."""
    table_of = data.evaluation.front
    if table_of.empty:
        return []
    said = (
        "One network answers for every preference among the tasks: balancing.preference says which is asked for here, "
        "headway predict --preference which later. Mean over seeds, on validation."
    )
    headers = ["candidate", "preference", *(f"{task}: {what}" for task in data.tasks for what in ("loss", "metric"))]
    return [Paragraph(said), Panels(fronts(table_of)), Folded("All preferences", Table(headers, front_rows(data)))]


def curves(data: ReportData) -> list[Part]:
    """Learning curves."""
    said = (
        "Mean over seeds, with the range from the lowest to the highest; large dots are looks whose weights were kept."
    )
    headers = ["network", "fall over the last tenth", "between networks (sd)", "loss at the end", "trained to its end"]
    return [
        Paragraph(said),
        Panels(learning_curves(data.evaluation.curves)),
        Table(headers, finished_rows(data), "Validation loss, mean over tasks and networks"),
    ]


def gap(data: ReportData) -> list[Part]:
    """Training minus validation."""
    if data.evaluation.gaps.empty:
        return []
    said = "Further right means that more was learnt by heart. Measured as the networks answer, without dropout."
    return [Paragraph(said), Panels(gap_dots(data.evaluation.gaps))]


def prepared(data: ReportData) -> list[Part]:
    """What the splits hold."""
    said = "The share of each class, or of rows with each label, among the targets that are known."
    panels = shares(data.manifest)
    return [Paragraph(said), Panels(panels)] if panels else []


def confusion(data: ReportData) -> list[Part]:
    """Confusion matrices of the tasks that have classes, of the best candidate first."""
    if data.evaluation.confusions.empty:
        return []
    others = [name for name in data.evaluation.candidates["candidate"] if name != data.best]
    return [
        Paragraph(f"Of {data.best}, on test, all seeds together; in percent of the true class."),
        Panels(confusion_matrices(data.evaluation.confusions, data.best)),
        *(Folded(name, Panels(confusion_matrices(data.evaluation.confusions, name))) for name in others),
    ]


def gates(data: ReportData) -> list[Part]:
    """What each task takes from which experts or layers, of the best candidate first."""
    table_of = data.evaluation.gates
    if table_of.empty:
        return []
    said = (
        "How much of each expert, of each task's own layers, or of each unit or channel of layers that all share, goes "
        "into what a task reads: the mean over the rows of validation. The first seed is shown, since what an expert "
        "learns differs from seed to seed; how far two tasks read alike is the mean over all seeds."
    )
    named = table_of["candidate"].drop_duplicates().tolist()
    best = data.best if data.best in named else named[0]
    return [
        Paragraph(f"{said} Of {best}."),
        Panels(gate_maps(table_of, best)),
        *(Folded(name, Panels(gate_maps(table_of, name))) for name in named if name != best),
    ]


def cost(data: ReportData) -> list[Part]:
    """What an answer costs, and where the time went."""
    said = f"One answer is the answer of every task to a row. One thread, one seed, batches of {BATCH} for throughput."
    return [
        Paragraph(_saving(data) + said),
        Panels(cost_bars(data.evaluation.costs)),
        Panels(step_times(data.steps)),
    ]


def openings(data: ReportData) -> list[Part]:
    """How often the test split was opened."""
    return [Paragraph(f"It was opened {times(len(data.openings))}. {_BLIND}"), opening_table(data.openings)]


def notes(data: ReportData) -> list[Part]:
    """What a reader should know."""
    return [Items(data.notes)]


def reproduce(data: ReportData) -> list[Part]:
    """How to make these results again."""
    return reproduced(data.commands, data.facts)


SECTIONS = (
    ("configuration", "Best configuration", configuration),
    ("candidates", "Candidates side by side", candidates),
    ("search", "The search", search),
    ("trade-off", "Trade-off between tasks", trade_offs),
    ("front", "What a preference chooses from", front),
    ("curves", "Learning curves", curves),
    ("gap", "Train-validation gap", gap),
    ("confusion", "Confusion matrices", confusion),
    ("gates", "Who reads which experts", gates),
    ("cost", "Time and cost", cost),
    ("data", "The data", prepared),
    ("test", "The test split", openings),
    ("notes", "Notes", notes),
    ("reproduce", "How to reproduce", reproduce),
)
"""Anchor, title, and what makes the parts of each, in reading order."""


def _saving(data: ReportData) -> str:
    """What sharing saves, in words."""
    costs = data.evaluation.costs.set_index("candidate")
    default = data.of_role("default") or ""
    if SINGLE not in costs.index or len(data.tasks) < 2:
        return ""
    ratio = costs.loc[SINGLE, "parameters"] / costs.loc[default, "parameters"]
    said = f"The {len(data.tasks)} single-task networks have {ratio:.1f} times the parameters of the shared one"
    alone, shared = (latency(data.evaluation.costs, it) for it in (SINGLE, default))
    if apart(alone, shared):
        said += f", and take {alone.median / shared.median:.1f} times as long to answer a row"
    return f"{said}. "


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
