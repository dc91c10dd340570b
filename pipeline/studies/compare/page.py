"""The page of `headway compare`, its answer and its summary."""

import json
from typing import Any

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.measured import Measured, apart
from pipeline.analysis.metrics import TITLES
from pipeline.analysis.statistics.decision import unfinished_names
from pipeline.analysis.tables import plain, primary
from pipeline.config.compare import EQUAL
from pipeline.reports.cells import changed, contrast_table, levels_of, metric_table, opening_table, percent, reproduced
from pipeline.reports.figures.candidates import side_by_side
from pipeline.reports.figures.costs import cost_bars
from pipeline.reports.figures.tradeoff import trade_off
from pipeline.reports.page import Head, Page
from pipeline.reports.parts import (
    Cell,
    Folded,
    Items,
    Panels,
    Paragraph,
    Part,
    Row,
    Subheading,
    Table,
    candidate,
    setting,
)
from pipeline.reports.words import listed, shown_test, still_improving, times, unbeaten
from pipeline.studies.compare.answer import advice, called, decided, decision, together
from pipeline.studies.compare.comparison import REFERENCES, Comparison

_TESTS = (
    "Paired by row and by replicate: a replicate's number gives every arm its initial weights and the order of its "
    "data. Interval (95 %, uncorrected) and p come from one standard error: that of the rows of test, by resampling, "
    "and that of other replicates, added. p is corrected after Holm for the number of tests in its column (all tasks) "
    "or in the table's other columns (task by task). A difference is more than noise, and bold, where it is below "
    "0.05. All tasks: the mean relative change, in percent."
)
_FRONTIER = (
    "Grey dots are the trials of the tuned weights, one network each, pruned ones as far as they came: together they "
    "draw what weighted sums can reach. Each arm is the mean of its replicates. All on validation; up and to the right "
    "is better."
)
_COST = (
    "One network by itself, CPU time of one thread or the clock of a GPU, at the arm's chosen settings: the median of "
    "repeats that took turns, with their middle four fifths. Where these overlap, no ratio stands. Memory is the most "
    "that its tensors take in a step. For the single-task networks all are sums over the tasks."
)


def answer(found: Comparison) -> str:
    """The answer, a first line and what it does not say."""
    return "\n".join([decision(found), *details(found)])


def details(found: Comparison) -> list[str]:
    """What the first line does not say."""
    said, rows = [], together(found.contrasts, EQUAL)
    if worse := [f"{called(row['candidate'])} ({shown_test(row)})" for row in rows if row["verdict"] == "worse"]:
        said.append(f"Worse than equal weights by more than noise: {listed(worse)}.")
    if names := unfinished_names(found.evaluation.finished):
        said.append(still_improving(names))
    said += unbeaten(found.evaluation, found.metrics)
    said += found.notes
    said += [f"Left out: {arm}, because {reason}." for arm, reason in found.failed.items()]
    each = found.trials // found.replicates
    said.append(
        f"Percentages are the mean over tasks of the relative change in {_metrics(found)} on test, with "
        f"{found.replicates} replicates; each chose its settings by {each:,} {'trial' if each == 1 else 'trials'} of "
        "its own on validation."
    )
    return said


def summary(found: Comparison) -> dict[str, Any]:
    """All numbers as plain data."""
    return {
        "experiment": found.name,
        "answer": decision(found),
        "decision": found.decision.word,
        "decisions": decided(found),
        "trials": found.trials,
        "replicates": found.replicates,
        "space": {key: json.loads(it) for key, it in found.space.items()},
        "arms": plain(found.arms),
        "test": plain(found.evaluation.scores),
        "references": plain(found.evaluation.references),
        "contrasts": plain(found.contrasts),
        "left_out": dict(found.failed),
    }


def comparison_page(found: Comparison) -> str:
    """One HTML document without external requests; its first line is the answer."""
    page = Page()
    page.section("arms", "The arms on test", *_arms(found))
    against = [part for reference in REFERENCES for part in _against(found, reference)]
    page.section("differences", "Is it more than noise?", Paragraph(_TESTS), *against)
    frontier = trade_off(found.frontier, found.evaluation.gaps, found.metrics)
    page.section("frontier", "What weighted sums can reach", Paragraph(_FRONTIER), Panels(frontier))
    page.section("settings", "What each arm chose", *_settings(found))
    page.section("cost", "What a step costs", *_costs(found))
    page.section("protocol", "How it was done", *_protocol(found))
    page.section("reproduce", "How to reproduce", *reproduced(found.commands, found.facts))
    head = Head(advice(found), decision(found), "Comparison", found.name, details(found))
    return page.document(f"Headway: {found.name} compared", head)


def _arms(found: Comparison) -> list[Part]:
    levels = {(row["candidate"], row["task"]): row for row in primary(found.evaluation.scores).to_dict("records")}
    delta = {row["candidate"]: row for row in together(found.contrasts, SINGLE)}
    names = [*([SINGLE] if (SINGLE, next(iter(found.metrics))) in levels else []), *found.shared]
    rows: list[Row] = [
        [
            candidate(arm, names),
            *(percent(levels[arm, task]) for task in found.metrics),
            changed(delta.get(arm)),
        ]
        for arm in names
    ]
    references = levels_of(found.evaluation.references, found.metrics)
    rows += [[method, *levels, ""] for method, levels in references.items()]
    headers = ["arm", *(f"{task}: {TITLES[metric]}" for task, metric in found.metrics.items()), "delta-m"]
    return [
        Table(headers, rows),
        Panels(side_by_side(found.evaluation.scores)),
        Folded("All test metrics", metric_table(found.evaluation.scores, "arm")),
    ]


def _against(found: Comparison, against: str) -> list[Part]:
    """All arms against a reference, the best first; nothing where the reference is missing."""
    arms = together(found.contrasts, against)
    if not arms:
        return []
    title = "single-task networks" if against == SINGLE else called(against)
    words = {arm: it.word.replace("_", " ") for (arm, other), it in found.decisions.items() if other == against}
    rows = arms + found.contrasts[found.contrasts["against"] == against].to_dict("records")
    return [Subheading(f"Against {title}"), contrast_table(rows, "arm", found.metrics, words)]


def _settings(found: Comparison) -> list[Part]:
    chosen = {row["arm"]: json.loads(row["winners_json"]) for row in found.arms.to_dict("records")}
    keys = sorted({key for winners in chosen.values() for winner in winners for key in winner["values"]})
    trials = {
        row["arm"]: f"{row['trials']}" + (f" ({row['diverged']} diverged)" if row["diverged"] else "")
        for row in found.arms.to_dict("records")
    }
    rows: list[Row] = [
        [
            arm if place == 0 else "",
            str(place),
            *(_value(winner["values"].get(key)) for key in keys),
            "unknown" if winner["objective"] is None else f"{winner['objective']:.4f}",
            trials[arm] if place == 0 else "",
        ]
        for arm, winners in chosen.items()
        for place, winner in enumerate(winners)
    ]
    short = (key.removeprefix("model.").removeprefix("training.") for key in keys)
    headers = ["arm", "replicate", *short, "validation", "trials"]
    said = "The best trial of each replicate of an arm, whose objective on validation is the mean over tasks."
    return [Paragraph(said), Table(headers, rows)]


def _costs(found: Comparison) -> list[Part]:
    times = ["step_us", "step_low_us", "step_high_us"]
    sums = found.arms.groupby("group", sort=False)[[*times, "memory_bytes"]].sum()
    steps = {arm: Measured(*row) for arm, row in zip(sums.index, sums[times].to_numpy().tolist(), strict=True)}
    base = EQUAL if EQUAL in sums.index else str(sums.index[0])
    rows: list[Row] = [
        [
            candidate(str(arm), sums.index),
            f"{step.median:,.0f} ({step.low:,.0f} to {step.high:,.0f})",
            f"{step.median / steps[base].median:.2f}" if arm == base or apart(step, steps[base]) else "",
            f"{sums.loc[arm, 'memory_bytes'] / 2**20:.2f}",
            f"{sums.loc[arm, 'memory_bytes'] / sums.loc[base, 'memory_bytes']:.2f}",
        ]
        for arm, step in steps.items()
    ]
    of = called(base)
    headers = ["arm", "a step, microseconds", f"times {of}", "memory, MiB", f"times {of}"]
    answering = found.evaluation.costs
    return [
        Paragraph(_COST),
        Table(headers, rows),
        Folded("What an answer costs", Panels(cost_bars(answering))),
    ]


def _protocol(found: Comparison) -> list[Part]:
    said = [
        f"Every arm had the same budget: a study of {found.trials} trials over the settings below, dealt out to "
        f"{found.replicates} replicates, each of which chose its best on validation and trained it once more from a "
        "fresh seed; the single-task networks as much for each task.",
        "The intervals know the rows of test and the luck of tuning, for a replicate is the whole procedure.",
        "Tuned weights are searched on the simplex along with these settings, in as many trials. Every method is at "
        "its own defaults, or as the experiment sets its own.",
        f"The test split was opened for all arms at once; of these data {times(len(found.openings))} in all.",
    ]
    space = [[setting(key), setting(it)] for key, it in found.space.items()]
    return [
        Items(said),
        Table(["searched", "range"], space),
        opening_table(found.openings, "test opened"),
    ]


def _metrics(found: Comparison) -> str:
    return listed(dict.fromkeys(TITLES[metric] for metric in found.metrics.values()), "or")


def _value(value: Any) -> str | Cell:
    if value is None:
        return ""
    if isinstance(value, dict):
        return Cell("", tuple(f"{key} {it:.3g}" for key, it in value.items()))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
