"""The page's tables and their rows: numbers with their intervals."""

import json
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from pipeline.analysis.candidate import CONSTANT, SINGLE
from pipeline.analysis.tables import primary
from pipeline.config.tasks import ALL
from pipeline.reports.data import ReportData
from pipeline.reports.parts import Cell, Code, Paragraph, Part, Row, Table, candidate, setting
from pipeline.reports.words import bounds, interval, number, shown_p

_REFERENCE = "a reference without a network: scikit-learn, each task by itself"
_ALWAYS = "always the same answer: the most frequent class, the share of each label, or the mean"
_WHAT = {
    "default": "the experiment as written",
    "single": "one network a task",
    "separate": "the separate baseline",
    "tuned": "the settings that the search found",
}


def candidate_rows(data: ReportData) -> Sequence[Row]:
    """Candidate, primary metric of each task, delta-m, what it is."""
    delta = {row["candidate"]: row for row in data.evaluation.delta_m.to_dict("records")}
    levels = levels_of(data.evaluation.scores, data.tasks)
    return [
        [
            candidate(row["candidate"]),
            *levels.get(row["candidate"], [""] * len(data.tasks)),
            changed(delta.get(row["candidate"])),
            _what(row),
        ]
        for row in data.evaluation.candidates.to_dict("records")
    ] + [
        [method, *own, "", _ALWAYS if method == CONSTANT else _REFERENCE]
        for method, own in levels_of(data.evaluation.references, data.tasks).items()
    ]


def levels_of(scores: pd.DataFrame, tasks: Iterable[str]) -> dict[str, list[str | Cell]]:
    """By candidate its primary metric of each task, beside an accuracy the balanced one; nothing where not scored."""
    main, balanced = (
        {(row["candidate"], row["task"]): row for row in table.to_dict("records")}
        for table in (primary(scores), scores[scores["metric"] == "balanced_accuracy"])
    )
    beside = {at: f"balanced {number(100 * row['mean'], '.2f', ' %')}" for at, row in balanced.items()}
    found = {at: percent(row).noted(beside.get(at, "")) for at, row in main.items()}
    return {who: [found.get((who, task), "") for task in tasks] for who in scores["candidate"].drop_duplicates()}


def front_rows(data: ReportData) -> Sequence[Row]:
    """Every preference that candidates were asked for: each task's share, then its mean loss and metric over seeds."""
    rows: list[Row] = []
    for (who, _), own in data.evaluation.front.groupby(["candidate", "point"], sort=False):
        means = own.groupby("task")[["share", "loss", "value"]].mean().loc[list(data.tasks)]
        values = means[["loss", "value"]].to_numpy().flatten()
        shares = ", ".join(f"{share:.2f}" for share in means["share"])
        rows.append([candidate(str(who)), shares, *(number(value, ".4f") for value in values)])
    return rows


def finished_rows(data: ReportData) -> Sequence[Row]:
    """Whether the validation loss of each arm was still falling, see `pipeline.analysis.statistics.unfinished`."""
    return [
        [
            f"single {row['task']}" if row["candidate"] == SINGLE else candidate(row["candidate"]),
            number(row["fall"], ".4f"),
            f"{row['sd']:.4f}" if row["sd"] == row["sd"] else "",
            number(row["final"], ".4f"),
            Cell("no", strong=True) if row["unfinished"] else "yes",
        ]
        for row in data.evaluation.finished.to_dict("records")
    ]


def metric_table(scores: pd.DataFrame, who: str, knows: bool = False) -> Table:
    """Every metric of every candidate, or `who` is compared, and task; and perhaps what its interval knows."""
    rows: list[Row] = [
        [candidate(row["candidate"], scores["candidate"]), row["task"], row["metric"], number(row["mean"], ".4f")]
        + [interval(row["low"], row["high"], ".4f")]
        + ([row["knows"]] if knows else [])
        for row in scores.to_dict("records")
    ]
    return Table([who, "task", "metric", "mean", "interval", *(["knows of"] if knows else [])], rows)


def contrast_table(rows: list[dict], who: str, tasks: Iterable[str], more: Mapping[str, str] | None = None) -> Table:
    """Tests of candidates against one other, on all tasks together and on each; and perhaps a `decision` on each."""
    cells = {(row["candidate"], row["task"]): row for row in rows}
    columns = (ALL, *tasks)
    names = list(dict.fromkeys(row["candidate"] for row in rows))
    body: list[Row] = [
        [candidate(it, names), *(tested(cells[it, task]) for task in columns), *([more[it]] if more else [])]
        for it in names
    ]
    points = (f"{task}, points" for task in tasks)
    return Table([who, "all tasks, %", *points, *(["decision"] if more else [])], body)


def setting_rows(data: ReportData, changed_only: bool) -> Sequence[Row]:
    """Setting, value in the best configuration, value as written; what differs is bold.

    Args:
        data: The report's.
        changed_only: Only what differs, and else also what the experiment gives itself.
    """
    best, written = _settings(data)
    rows: list[Row] = []
    there = best if data.best == SINGLE else best | written  # of a task alone some settings have no meaning
    for key in sorted(there):
        differs = best.get(key) != written.get(key)
        if differs or (not changed_only and key in data.given):
            rows.append([setting(key), _value(best.get(key), differs), _value(written.get(key))])
    return rows


def other_settings(data: ReportData) -> list[str]:
    """A sentence with all that is at its default, and one with what is thereby switched off or left to others."""
    best, written = _settings(data)
    rest = {key: it for key, it in best.items() if it == written.get(key) and key not in data.given}
    there = [f"{key}={_shown(it)}" for key, it in sorted(rest.items()) if it != "null"]
    absent = [key for key, it in sorted(rest.items()) if it == "null"]
    said = [f"At their defaults: {', '.join(there)}."] if there else []
    return said + ([f"Not set, which is the default too: {', '.join(absent)}."] if absent else [])


def _settings(data: ReportData) -> tuple[dict[str, str], dict[str, str]]:
    """The settings of the best configuration and of that as written: JSON text by dotted key."""
    table = data.evaluation.settings
    best, written = (
        dict(table[table["candidate"] == who][["key", "value_json"]].to_numpy().tolist())
        for who in (data.best, data.of_role("default"))
    )
    return best, written


def opening_table(openings: pd.DataFrame, opened: str = "opened") -> Table:
    """When the test split was opened, and for whom."""
    rows = openings.to_dict("records")
    return Table([opened, "for"], [[str(row[it]) for it in ("when", "candidates")] for row in rows])


def _what(row: dict) -> str:
    said = _WHAT[row["role"]]
    return f"{said}; {row['differs']}" if row["differs"] and row["role"] != "single" else said


def tested(row: dict) -> Cell:
    """A difference with its interval and p; bold where it is more than noise."""
    return Cell(number(row["mean"], "+.2f"), strong=row["verdict"] != "unclear").noted(
        bounds(row), shown_p(row["p_holm"])
    )


def percent(row: dict) -> Cell:
    """A level with its interval."""
    between = interval(100 * row["low"], 100 * row["high"], ".2f")
    return Cell(number(100 * row["mean"], ".2f", " %")).noted(between)


def changed(row: dict | None) -> Cell:
    """A relative change in percent with its interval; nothing where it is not known."""
    return Cell(number(row["mean"], "+.2f", " %")).noted(bounds(row)) if row else Cell("")


def _value(text: str | None, strong: bool = False) -> Cell:
    return Cell("" if text is None else _shown(text), strong=strong, code=True)


def _shown(text: str) -> str:
    """A value as a reader writes it; of a number six digits, in lists too."""
    value = json.loads(text)
    if isinstance(value, list):
        return f"[{', '.join(_shown(json.dumps(it)) for it in value)}]"
    return f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else text


def reproduced(commands: Sequence[str], facts: Mapping[str, str]) -> list[Part]:
    """How to make results again: the lines that do it, and what they were made with."""
    return [
        Paragraph("The command repeats all that is not kept yet; rerun does each step again, and compares."),
        Code("\n".join(commands)),
        Table(["fact", "value"], list(facts.items())),
    ]


def spread(data: ReportData) -> list[Part]:
    """A table of standard deviations on test, arm by arm; nothing where there is one network of each."""
    found = deviations(data)
    if found.empty or found.isna().all(axis=None):
        return []
    counts = data.evaluation.scores.groupby("candidate")["num_seeds"].min()
    rows: list[Row] = [
        [candidate(str(arm)), str(counts[arm]), *(f"{100 * value:.2f}" if value == value else "" for value in row)]
        for arm, row in zip(found.index, found.to_numpy(), strict=True)
    ]
    headers = ["candidate", "networks", *(f"{task}, points" for task in data.tasks)]
    caption = "How far the networks of each candidate ended apart on test: standard deviations"
    return [Table(headers, rows, caption), *_optimism(data)]


def deviations(data: ReportData) -> pd.DataFrame:
    """The standard deviation between a candidate's networks of each task's primary metric on test."""
    metrics = primary(data.evaluation.scores)[["task", "metric"]].drop_duplicates()
    seeds = data.evaluation.seeds.merge(metrics, on=["task", "metric"])
    by_task = seeds.groupby(["candidate", "task"])["value"].std(ddof=1).unstack("task")
    order = [it for it in data.evaluation.candidates["candidate"] if it in by_task.index]
    return by_task.reindex(index=order, columns=list(data.tasks))


def _optimism(data: ReportData) -> list[Part]:
    if not data.optimism:
        return []
    said = (
        "The validation objective of an arm's winners, less that of the same settings trained afresh: the luck of the "
        "trial that won. Mean over replicates."
    )
    rows = [[arm, number(value, "+.4f")] for arm, value in data.optimism.items()]
    return [Paragraph(said), Table(["arm", "winner less afresh"], rows)]
