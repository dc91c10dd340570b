"""The sections of the page, in reading order; each adds itself to the page, or nothing where it has nothing to say."""

from html import escape

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.metrics import BATCH, TITLES
from pipeline.reports.cells import (
    candidate_rows,
    finished_rows,
    front_rows,
    metric_rows,
    opening_rows,
    setting_rows,
)
from pipeline.reports.data import ReportData
from pipeline.reports.figures.candidates import differences, gap_dots, side_by_side
from pipeline.reports.figures.confusion import confusion_matrices
from pipeline.reports.figures.costs import cost_bars, step_times
from pipeline.reports.figures.curves import learning_curves
from pipeline.reports.figures.data import shares
from pipeline.reports.figures.front import fronts
from pipeline.reports.figures.gates import gate_maps
from pipeline.reports.figures.tradeoff import trade_off
from pipeline.reports.page import Page, folded, items, paragraph, table
from pipeline.reports.replicates import spread
from pipeline.reports.search import search
from pipeline.reports.shown import drawn


def configuration(page: Page, data: ReportData) -> None:
    """The configuration to use, and what tuning changed in it."""
    if data.best == SINGLE:
        said = "Validation chose a network for each task, each with settings of its own; here stand those of the first."
    elif data.best == data.of_role("default"):
        there = "Validation chose it over what the search found" if data.of_role("tuned") else "There was no search"
        said = f"{there}: this is the experiment as written."
    else:
        said = "Found by the search, chosen by validation alone. What differs from the experiment as written:"
    headers = ["setting", "value", "as written"]
    changed = setting_rows(data, changed_only=True)
    page.section(
        "configuration",
        "Best configuration",
        paragraph(said),
        table(headers, changed) if changed else "",
        folded("All settings", table(headers, setting_rows(data, changed_only=False))),
    )


def candidates(page: Page, data: ReportData) -> None:
    """All candidates side by side, and against the single-task baselines."""
    marked = [
        f"delta-m of {row['candidate']}: {row['note']}."
        for row in data.evaluation.delta_m.to_dict("records")
        if row["note"]
    ]
    table_of = data.evaluation.differences
    pairs = differences(table_of[table_of["candidate"] != data.of_role("separate")])
    page.section(
        "candidates",
        "Candidates side by side",
        table(
            ["candidate", *(f"{task}: {TITLES[data.metrics[task]]}" for task in data.tasks), "delta-m", "what it is"],
            candidate_rows(data),
        ),
        items(marked),
        page.panels(side_by_side(data.evaluation.scores)),
        "<h3>Paired differences</h3>" + page.panels(pairs) if pairs else "",
        spread(data),
        folded(
            "All test metrics",
            table(["candidate", "task", "metric", "mean", "interval", "knows of"], metric_rows(data.evaluation.scores)),
        ),
    )


def trade_offs(page: Page, data: ReportData) -> None:
    """What one task gains and the other pays."""
    said = "Up and to the right is better. Trials have one seed, candidates the mean of theirs; all on validation."
    few = None if data.trials is None else drawn(data.trials)[0]
    page.section(
        "trade-off",
        "Trade-off between tasks",
        paragraph(said),
        page.panels(trade_off(few, data.evaluation.gaps, data.metrics)),
    )


def front(page: Page, data: ReportData) -> None:
    """What a preference among the tasks chooses from."""
    table_of = data.evaluation.front
    if table_of.empty:
        return
    said = (
        "One network answers for every preference among the tasks: balancing.preference says which is asked for here, "
        "headway predict --preference which later. Mean over seeds, on validation."
    )
    headers = ["candidate", "preference", *(f"{task}: {what}" for task in data.tasks for what in ("loss", "metric"))]
    page.section(
        "front",
        "What a preference chooses from",
        paragraph(said),
        page.panels(fronts(table_of)),
        folded("All preferences", table(headers, front_rows(data))),
    )


def curves(page: Page, data: ReportData) -> None:
    """Learning curves."""
    said = (
        "Mean over seeds, with the range from the lowest to the highest; large dots are looks whose weights were kept."
    )
    rows = finished_rows(data)
    headers = ["network", "fall over the last tenth", "between networks (sd)", "loss at the end", "trained to its end"]
    page.section(
        "curves",
        "Learning curves",
        paragraph(said),
        page.panels(learning_curves(data.evaluation.curves)),
        table(headers, rows, "Validation loss, mean over tasks and networks") if rows else "",
    )


def gap(page: Page, data: ReportData) -> None:
    """Training minus validation."""
    if data.evaluation.gaps.empty:
        return
    said = "Further right means that more was learnt by heart. Measured as the networks answer, without dropout."
    page.section("gap", "Train-validation gap", paragraph(said), page.panels(gap_dots(data.evaluation.gaps)))


def prepared(page: Page, data: ReportData) -> None:
    """What the splits hold."""
    said = "The share of each class, or of rows with each label, among the targets that are known."
    panels = shares(data.manifest)
    page.section("data", "The data", *((paragraph(said), page.panels(panels)) if panels else ()))


def confusion(page: Page, data: ReportData) -> None:
    """Confusion matrices of the tasks that have classes, of the best candidate first."""
    if data.evaluation.confusions.empty:
        return
    others = [name for name in data.evaluation.candidates["candidate"] if name != data.best]
    page.section(
        "confusion",
        "Confusion matrices",
        paragraph(f"Of {data.best}, on test, all seeds together; in percent of the true class."),
        page.panels(confusion_matrices(data.evaluation.confusions, data.best)),
        *(folded(name, page.panels(confusion_matrices(data.evaluation.confusions, name))) for name in others),
    )


def gates(page: Page, data: ReportData) -> None:
    """What each task takes from which experts or layers, of the best candidate first."""
    table_of = data.evaluation.gates
    if table_of.empty:
        return
    said = (
        "How much of each expert, of each task's own layers, or of each unit or channel of layers that all share, goes "
        "into what a task reads: the mean over the rows of validation. The first seed is shown, since what an expert "
        "learns differs from seed to seed; how far two tasks read alike is the mean over all seeds."
    )
    named = table_of["candidate"].drop_duplicates().tolist()
    best = data.best if data.best in named else named[0]
    page.section(
        "gates",
        "Who reads which experts",
        paragraph(f"{said} Of {best}."),
        page.panels(gate_maps(table_of, best)),
        *(folded(name, page.panels(gate_maps(table_of, name))) for name in named if name != best),
    )


def cost(page: Page, data: ReportData) -> None:
    """What an answer costs, and where the time went."""
    said = f"One answer is the answer of every task to a row. One thread, one seed, batches of {BATCH} for throughput."
    page.section(
        "cost",
        "Time and cost",
        paragraph(_saving(data) + said),
        page.panels(cost_bars(data.evaluation.costs)),
        page.panels(step_times(data.steps)),
    )


def openings(page: Page, data: ReportData) -> None:
    """How often the test split was opened."""
    count = len(data.openings)
    times = "once" if count == 1 else f"{count} times"
    rows = opening_rows(data.openings)
    page.section(
        "test",
        "The test split",
        paragraph(
            f"It was opened {times}. Nothing was chosen by it: trials, weights and the champion saw validation only."
        ),
        table(["opened", "for"], rows) if rows else "",
    )


def notes(page: Page, data: ReportData) -> None:
    """What a reader should know."""
    page.section("notes", "Notes", items(data.notes))


def reproduce(page: Page, data: ReportData) -> None:
    """How to make these results again."""
    facts = [[escape(name), escape(value)] for name, value in data.facts.items()]
    page.section(
        "reproduce",
        "How to reproduce",
        f"<pre>{escape(chr(10).join(data.commands))}</pre>" if data.commands else "",
        table(["fact", "value"], facts) if facts else "",
    )


SECTIONS = (
    configuration,
    candidates,
    search,
    trade_offs,
    front,
    curves,
    gap,
    confusion,
    gates,
    cost,
    prepared,
    openings,
    notes,
    reproduce,
)


def _saving(data: ReportData) -> str:
    """What sharing saves, in words."""
    costs = data.evaluation.costs.set_index("candidate")
    default = data.of_role("default")
    if SINGLE not in costs.index or len(data.tasks) < 2:
        return ""
    ratio = costs.loc[SINGLE, ["parameters", "latency_ms"]] / costs.loc[default, ["parameters", "latency_ms"]]
    return (
        f"The {len(data.tasks)} single-task networks have {ratio['parameters']:.1f} times the parameters of the shared "
        f"one and take {ratio['latency_ms']:.1f} times as long to answer a row. "
    )
