"""The page's tables and their rows: numbers with their intervals, as HTML."""

import json
from collections.abc import Iterable, Mapping

import pandas as pd

from pipeline.analysis.candidate import CONSTANT, SINGLE
from pipeline.analysis.tables import primary
from pipeline.config.tasks import ALL
from pipeline.printable import escape
from pipeline.reports.data import ReportData
from pipeline.reports.figures.style import marks
from pipeline.reports.page import paragraph, table
from pipeline.reports.words import bounds, interval, number, shown_p

_REFERENCE = "a reference without a network: scikit-learn, each task by itself"
_ALWAYS = "always the same answer: the most frequent class, the share of each label, or the mean"
_WHAT = {
    "default": "the experiment as written",
    "single": "one network a task",
    "separate": "the separate baseline",
    "tuned": "the settings that the search found",
}


def candidate_rows(data: ReportData) -> list[list[str]]:
    """Candidate, primary metric of each task, delta-m, what it is."""
    delta = {row["candidate"]: row for row in data.evaluation.delta_m.to_dict("records")}
    levels = levels_of(data.evaluation.scores, data.tasks)
    return [
        [
            name(row["candidate"]),
            *levels.get(row["candidate"], [""] * len(data.tasks)),
            changed(delta.get(row["candidate"])),
            escape(_what(row)),
        ]
        for row in data.evaluation.candidates.to_dict("records")
    ] + [
        [escape(method), *own, "", _ALWAYS if method == CONSTANT else _REFERENCE]
        for method, own in levels_of(data.evaluation.references, data.tasks).items()
    ]


def levels_of(scores: pd.DataFrame, tasks: Iterable[str]) -> dict[str, list[str]]:
    """By candidate its primary metric of each task, beside an accuracy the balanced one; nothing where not scored."""
    main, balanced = (
        {(row["candidate"], row["task"]): row for row in table.to_dict("records")}
        for table in (primary(scores), scores[scores["metric"] == "balanced_accuracy"])
    )
    beside = {at: f"<small>balanced {number(100 * row['mean'], '.2f', ' %')}</small>" for at, row in balanced.items()}
    found = {at: percent(row) + beside.get(at, "") for at, row in main.items()}
    return {who: [found.get((who, task), "") for task in tasks] for who in scores["candidate"].drop_duplicates()}


def front_rows(data: ReportData) -> list[list[str]]:
    """Every preference that candidates were asked for: each task's share, then its mean loss and metric over seeds."""
    rows = []
    for (candidate, _), own in data.evaluation.front.groupby(["candidate", "point"], sort=False):
        means = own.groupby("task")[["share", "loss", "value"]].mean().loc[list(data.tasks)]
        values = means[["loss", "value"]].to_numpy().flatten()
        shares = ", ".join(f"{share:.2f}" for share in means["share"])
        rows.append([name(str(candidate)), shares, *(number(value, ".4f") for value in values)])
    return rows


def finished_rows(data: ReportData) -> list[list[str]]:
    """Whether the validation loss of each arm was still falling, see `pipeline.analysis.statistics.unfinished`."""
    return [
        [
            escape(f"single {row['task']}") if row["candidate"] == SINGLE else name(row["candidate"]),
            number(row["fall"], ".4f"),
            f"{row['sd']:.4f}" if row["sd"] == row["sd"] else "",
            number(row["final"], ".4f"),
            '<span class="changed">no</span>' if row["unfinished"] else "yes",
        ]
        for row in data.evaluation.finished.to_dict("records")
    ]


def metric_table(scores: pd.DataFrame, who: str, knows: bool = False) -> str:
    """Every metric of every candidate, or `who` is compared, and task; and perhaps what its interval knows."""
    rows = [
        [
            name(row["candidate"], scores["candidate"]),
            escape(row["task"]),
            escape(row["metric"]),
            number(row["mean"], ".4f"),
        ]
        + [interval(row["low"], row["high"], ".4f")]
        + ([row["knows"]] if knows else [])
        for row in scores.to_dict("records")
    ]
    return table([who, "task", "metric", "mean", "interval", *(["knows of"] if knows else [])], rows)


def contrast_table(rows: list[dict], who: str, tasks: Iterable[str], more: Mapping[str, str] | None = None) -> str:
    """Tests of candidates against one other, on all tasks together and on each; and perhaps a `decision` on each."""
    cells = {(row["candidate"], row["task"]): row for row in rows}
    columns = (ALL, *tasks)
    names = list(dict.fromkeys(row["candidate"] for row in rows))
    body = [
        [name(it, names), *(tested(cells[it, task]) for task in columns), *([more[it]] if more else [])] for it in names
    ]
    points = (f"{task}, points" for task in tasks)
    return table([who, "all tasks, %", *points, *(["decision"] if more else [])], body)


def setting_rows(data: ReportData, changed_only: bool) -> list[list[str]]:
    """Setting, value in the best configuration, value as written; what differs is bold."""
    table = data.evaluation.settings
    best, written = (
        dict(table[table["candidate"] == who][["key", "value_json"]].to_numpy().tolist())
        for who in (data.best, data.of_role("default"))
    )
    rows = []
    for key in sorted(best | written):
        differs = best.get(key) != written.get(key)
        if differs or not changed_only:
            value = _value(best.get(key))
            shown = f'<span class="changed">{value}</span>' if differs else value
            rows.append([f"<code>{escape(key)}</code>", shown, _value(written.get(key))])
    return rows


def opening_table(openings: pd.DataFrame, opened: str = "opened") -> str:
    """When the test split was opened, and for whom."""
    rows = openings.to_dict("records")
    return table([opened, "for"], [[escape(str(row[it])) for it in ("when", "candidates")] for row in rows])


def name(candidate: str, among: Iterable[str] = ()) -> str:
    """A candidate with its mark among all that the page shows."""
    mark = marks([candidate, *among])[candidate]
    dot = f'<span class="mark" aria-hidden="true" style="color:{mark.colour}">{mark.glyph}</span> '
    return f'<span class="nowrap">{dot}{escape(candidate)}</span>'


def _what(row: dict) -> str:
    said = _WHAT[row["role"]]
    return f"{said}; {row['differs']}" if row["differs"] and row["role"] != "single" else said


def tested(row: dict) -> str:
    """A difference with its interval and p; bold where it is more than noise."""
    mean = number(row["mean"], "+.2f")
    mean = mean if row["verdict"] == "unclear" else f'<span class="changed">{mean}</span>'
    return f"{mean}<small>{bounds(row)}</small> <small>{escape(shown_p(row['p_holm']))}</small>"


def percent(row: dict) -> str:
    """A level with its interval."""
    between = interval(100 * row["low"], 100 * row["high"], ".2f")
    return number(100 * row["mean"], ".2f", " %") + (f"<small>{between}</small>" if between else "")


def changed(row: dict | None) -> str:
    """A relative change in percent with its interval; nothing where it is not known."""
    return f"{number(row['mean'], '+.2f', ' %')}<small>{bounds(row)}</small>" if row else ""


def _value(text: str | None) -> str:
    if text is None:
        return ""
    value = json.loads(text)
    shown = f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else text
    return f"<code>{escape(shown)}</code>"


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
    rows = [[escape(arm), number(value, "+.4f")] for arm, value in data.optimism.items()]
    return paragraph(said) + table(["arm", "winner less afresh"], rows)
