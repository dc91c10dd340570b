"""The first line: does sharing help here, and what follows?"""

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.metrics import TITLES
from pipeline.analysis.statistics.decision import unfinished_names
from pipeline.analysis.tables import primary
from pipeline.reports.data import ReportData
from pipeline.reports.words import (
    MOST,
    bounds,
    clearly,
    lacking,
    level,
    listed,
    number,
    points,
    settling,
    shown_delta,
    shown_tasks,
    some,
    still_improving,
    unbeaten,
)

_CALLED = {"default": "the experiment as written", "tuned": "the tuned network", SINGLE: "a network for each task"}
"""What candidates are called where nothing beside the sentence says what they are."""

_PLAIN = {
    "helps": "One network that learns {tasks} together does better than a network for each",
    "hurts": "One network that learns {tasks} together does worse than a network for each",
    "mixed": "One network that learns {tasks} together beats a network for each on some, and loses on others",
    "no_difference": "One network that learns {tasks} together does as well as a network for each",
    "unknown": "It cannot be told yet whether one network that learns {tasks} together beats a network for each",
    "no_claim": "It was not settled whether one network that learns {tasks} together beats a network for each",
}
"""By decision, what it means."""

_DELTA_M = "Delta-m is the mean over tasks of the change relative to the single-task networks; positive is better. "


def plain(data: ReportData) -> str:
    """The answer as somebody reads it who knows none of the words: what was compared, and how it came out."""
    word, names = data.decision.word, listed(data.tasks) if len(data.tasks) <= MOST else f"{len(data.tasks)} tasks"
    if len(data.tasks) == 1:
        return f"One network was trained for {names}; with a single task there is nothing to share."
    return f"{_PLAIN[word].format(tasks=names)}."


def verdict(data: ReportData) -> str:
    """Two plain sentences at most: the decision with what it is of, and what the champion reaches and follows."""
    tested = f"; {data.tested}" if data.tested else ""
    return f"{_decided(data)}{tested}. {_follows(data)}."


def details(data: ReportData) -> list[str]:
    """What the first line does not say: what was left out, the recipe, delta-m, tuning, what the intervals know."""
    why = (_every_row(data), data.recipe, data.champion_why, _champion(data), _disagreement(data), _unfinished(data))
    said = [*data.left_out, *filter(None, why), *_left_out(data)]
    said += _some(unbeaten(data.evaluation, data.metrics), "On {} more tasks no network beats the constant prediction.")
    gains = [] if data.decision.lack == "one_task" else data.evaluation.delta_m.to_dict("records")
    said += [_delta_m(row) for row in gains if row["candidate"] != "separate"]
    if len(tuned := data.difference(data.of_role("tuned"), data.of_role("default"))):
        said.append(f"Tuning, against the network as written: {_clauses(tuned.to_dict('records'))}.")
    return [*said, _knowledge(data)]


def _decided(data: ReportData) -> str:
    """What is said of sharing, without its full stop."""
    found, subject, against = data.decision, _subject(data), _against(data)
    how = "" if data.compares_tuned else ", as written, untuned"
    if found.word == "no_claim":
        return _not_claimed(data, how)
    delta, clear = shown_delta(found), clearly(found)
    if found.word == "mixed":
        better, worse = (shown_tasks(found, tasks) for tasks in (found.better, found.worse))
        return (
            f"Sharing helps some tasks here and hurts others{how}: against {against}, {subject} is better on {better} "
            f"and worse on {worse}, {delta}"
        )
    if found.word == "no_difference":
        return (
            f"Sharing makes no difference here that matters{how}: {subject} and {against} are alike within the margin "
            f"of {100 * data.margin:g} % on every task, {delta}"
        )
    if found.word == "unknown":
        though = f", though {clear}" if clear else ""
        return f"Whether sharing helps here is not known yet{how}: {subject} against {against}, {delta}{though}"
    word, is_so = ("helps", "better") if found.word == "helps" else ("hurts", "worse")
    each = f", {clear}" if clear else ", though on no task by itself"
    return f"Sharing {word} here{how}: {subject} is {is_so} than {against}, {delta}{each}"


def _not_claimed(data: ReportData, how: str) -> str:
    found = data.decision
    because = lacking(found, data.replicates_setting)
    if found.lack == "one_task":
        return f"There is one task, {data.tasks[0]}: nothing is shared, so sharing can neither help nor hurt"
    if found.lack == "no_single":
        return f"Whether sharing helps here is not known: {because}"
    seen = f"; {_subject(data)} against {_against(data)}: {shown_delta(found)}" if found.delta else ""
    return f"No claim is made on whether sharing helps here{how}: {because}{seen}"


def _follows(data: ReportData) -> str:
    """What to do, and what the champion reaches, without its full stop."""
    found = data.decision
    reach = some([f"{level(data.level(data.best, task), metric)} on {task}" for task, metric in data.metrics.items()])
    called = _CALLED.get(data.best, data.best)
    champion = f"the champion, {called}, reaches {reach}" if data.champion else f"{called} reaches {reach}"
    advice = {
        "helps": "Use the shared network",
        "hurts": "Keep a network for each task",
        "mixed": "Share only what gains by it (headway affinity looks for such groups)",
        "no_difference": f"Take the cheaper one, {_cheaper(data)}",
    }
    if found.word in advice:
        return f"{advice[found.word]}; {champion}"
    settled = (
        f"; {settling(found, data.replicates_setting, data.folds, data.is_once)}" if found.word == "unknown" else ""
    )
    return f"{champion[0].upper()}{champion[1:]}{settled}"


def _subject(data: ReportData) -> str:
    return "the tuned shared network" if data.compares_tuned else "the shared network"


def _against(data: ReportData) -> str:
    return "single-task networks tuned alike" if data.compares_tuned else "single-task networks"


def _cheaper(data: ReportData) -> str:
    """Which of the two has fewer parameters."""
    parameters = data.evaluation.costs.set_index("candidate")["parameters"]
    alone = parameters.get(SINGLE, float("inf")) < parameters.get(data.shared, float("inf"))
    return "a network for each task" if alone else "the shared network"


def _disagreement(data: ReportData) -> str:
    """That validation chose another than the first line advises; empty where they agree."""
    word = data.decision.word
    if word == "helps" and data.champion == SINGLE:
        return "Validation chose the single-task networks as champion, although by test sharing helps."
    if word == "hurts" and data.champion not in (SINGLE, None):
        called = _CALLED.get(data.champion, data.champion)
        return f"Validation chose {called}, which shares, as champion, although by test sharing hurts."
    return ""


def _every_row(data: ReportData) -> str:
    """How the rows test, where all of them do."""
    if not data.tested:
        return ""
    return (
        f"{data.tested[0].upper()}{data.tested[1:]}. Each replicate is the whole procedure, without the fold that it "
        "tests; metrics are of each fold, then averaged."
    )


def _champion(data: ReportData) -> str:
    """What the champion is, where every row tests, and whose figures these are."""
    if data.outer is None or data.champion is None:
        return ""
    called = _CALLED.get(data.champion, data.champion)
    return (
        f"What is registered is {called}, trained once more on all rows but validation: no row is left to test it, so "
        f"its figures are those of the {data.outer.folds * data.outer.repeats} replicates."
    )


def _left_out(data: ReportData) -> list[str]:
    """Of each task's primary metric, the folds on which it has no value."""
    rows = primary(data.evaluation.scores)
    most = rows.groupby(["task", "metric"], sort=False)["left_out"].max() if "left_out" in rows else {}
    return [
        f"{TITLES[str(metric)]} of {task} leaves out {count} of {data.seeds} folds, which lack a class."
        for (task, metric), count in dict(most).items()
        if count
    ]


def _unfinished(data: ReportData) -> str:
    names = unfinished_names(data.evaluation.finished)
    return still_improving(names) if names else ""


def _knowledge(data: ReportData) -> str:
    """What the intervals know."""
    if int(data.evaluation.scores["num_seeds"].min()) == 1:
        return (
            "There is one seed only: these 95 % intervals know the rows of the test split, by resampling them, and not "
            "how much another training would change."
        )
    what = f"{data.replicates} replicates" if data.replicates and data.compares_tuned else f"{data.seeds} seeds"
    delta = _DELTA_M if len(data.evaluation.delta_m) else ""
    tested, rows = "test", "the rows of the test split"
    if data.folds:
        what, rows = f"{data.seeds} replicates", "all rows"
        tested = f"test, which every row is in turn: each replicate is scored on a fold of its own, of {data.folds}"
    return (
        f"{delta}Points are percentage points of {_metrics(data)} on {tested}. Every interval covers 95 %; its "
        f"standard error is that of {rows}, by resampling them, and that between {what}, added. A task is clear, and p "
        "small, after Holm's correction for the number of tasks."
    )


def _metrics(data: ReportData) -> str:
    """`accuracy`, or `accuracy (a, b) or R2 (c)`."""
    tasks: dict[str, list[str]] = {}
    for task, metric in data.metrics.items():
        tasks.setdefault(TITLES[metric], []).append(task)
    if len(tasks) == 1:
        return next(iter(tasks))
    return " or ".join(f"{title} ({some(its) if len(its) > MOST else ', '.join(its)})" for title, its in tasks.items())


def _clauses(rows: list[dict]) -> str:
    """The clear differences one by one, then the unclear ones together."""
    said = [
        f"{number(100 * row['mean'], '+.2f', ' points')} on {row['task']} {bounds(row, 100.0)}".rstrip()
        for row in rows
        if row["verdict"] != "unclear"
    ]
    unclear = [f"{row['task']} ({points(row)})" for row in rows if row["verdict"] == "unclear"]
    said = _some(said, "clear differences on {} more tasks")
    if unclear:
        said.append(f"no clear difference on {some(unclear, 'or')}")
    return ", ".join(said)


def _some(said: list[str], more: str) -> list[str]:
    """The first few, and how many more there are."""
    return said if len(said) <= MOST else [*said[:MOST], more.format(len(said) - MOST)]


def _delta_m(row: dict) -> str:
    marked = f" ({row['note']})" if row["note"] else ""
    delta = f"{number(row['mean'], '+.2f', ' %')} {bounds(row)}".rstrip()
    return f"All tasks together, {row['candidate']}: delta-m {delta}{marked}."
