"""The first line of a comparison: does sharing help, which method, and is the difference more than noise?"""

import pandas as pd

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.statistics.decision import Word
from pipeline.config.compare import EQUAL, TUNED
from pipeline.config.tasks import ALL
from pipeline.reports.words import clearly, lacking, listed, settling, shown_tasks, shown_test, some
from pipeline.studies.compare.comparison import Comparison

_WEIGHTS = {EQUAL: "equal weights", TUNED: "tuned weights"}
_SETTING = "tuning.replicates"
_ADVICE: dict[Word, str] = {
    "helps": "Let {tasks} share a network: with tuned task weights that does better than a network for each",
    "hurts": "Keep a network for each of {tasks}: one that they share does worse, with tuned task weights too",
    "mixed": "Sharing a network helps some of {tasks} and hurts others",
    "no_difference": "Whether {tasks} share a network makes no difference that matters",
    "unknown": "It cannot be told yet whether {tasks} gain by sharing a network",
    "no_claim": "It was not settled whether {tasks} gain by sharing a network",
}
_IT: dict[Word, str] = {"helps": "it helps", "hurts": "it hurts", "mixed": "it helps some tasks and hurts others"}


def decision(found: Comparison) -> str:
    """Whether sharing with tuned weights helps, with which other arms it does, and whether a method is better.

    Args:
        found: Of a reference that is missing it has no contrasts.
    """
    return f"{_sharing(found)}; {_method(found.contrasts)}."


def advice(found: Comparison) -> str:
    """What somebody should do who knows none of the words, and why."""
    word, tasks = found.decision.word, some(list(found.metrics))
    return f"{_ADVICE[word].format(tasks=tasks)}; {_weights(found.contrasts)}."


def decided(found: Comparison) -> list[dict[str, str]]:
    """Every decision as plain data: candidate, against, decision."""
    return [
        {"candidate": arm, "against": against, "decision": it.word} for (arm, against), it in found.decisions.items()
    ]


def together(contrasts: pd.DataFrame, against: str) -> list[dict]:
    """The tests of all tasks together against a reference, the best arm first."""
    rows = contrasts[(contrasts["task"] == ALL) & (contrasts["against"] == against)]
    return rows.sort_values("mean", ascending=False, kind="stable").to_dict("records")


def called(arm: str) -> str:
    """An arm in a sentence."""
    return _WEIGHTS.get(arm, arm)


def _sharing(found: Comparison) -> str:
    """Of the tuned weights, and of the other arms of which something is claimed."""
    it, others = found.decision, _others(found)
    if it.word == "no_claim":
        if it.lack == "no_single":
            return "Whether sharing helps here is not known, since a single-task network could not be trained"
        return f"No claim is made on whether sharing helps here: {lacking(it, _SETTING)}{others}"
    row = next(row for row in together(found.contrasts, SINGLE) if row["candidate"] == TUNED)
    numbers = f"({shown_test(row)}, against single-task networks tuned alike)"
    clear = clearly(it)
    if it.word == "mixed":
        better, worse = (shown_tasks(it, tasks) for tasks in (it.better, it.worse))
        return (
            f"With tuned weights sharing helps some tasks here and hurts others {numbers}, better on {better} and "
            f"worse on {worse}{others}"
        )
    if it.word == "no_difference":
        return (
            f"Sharing with tuned weights makes no difference here that matters {numbers}, within the margin of "
            f"{100 * found.margin:g} % on every task{others}"
        )
    if it.word == "unknown":
        though = f", though {clear}" if clear else ""
        return (
            f"Whether sharing with tuned weights helps here is not known yet {numbers}{though}; "
            f"{settling(it, _SETTING, found.folds, found.once)}{others}"
        )
    return f"Sharing {it.word} here with tuned weights {numbers}{f', {clear}' if clear else ''}{others}"


def _others(found: Comparison) -> str:
    """What is claimed of the other arms against single-task networks."""
    said = []
    for word, verb in _IT.items():
        arms = [
            arm for (arm, against), it in found.decisions.items()
            if against == SINGLE and arm != TUNED and it.word == word
        ]  # fmt: skip
        if arms:
            said.append(f"{verb} with {listed(called(arm) for arm in arms)}")
    return f"; {', '.join(said)}" if said else ""


def _weights(contrasts: pd.DataFrame) -> str:
    """How to choose the task weights, without numbers."""
    found = {it: together(contrasts, it) for it in (EQUAL, TUNED)}
    beaten = {it: [row["candidate"] for row in rows if row["verdict"] == "better"] for it, rows in found.items()}
    methods = [arm for arm in beaten[EQUAL] if arm not in _WEIGHTS]
    if not found[EQUAL]:
        return "no way to choose the task weights could be held against equal ones"
    if both := [arm for arm in methods if arm in beaten[TUNED]]:
        return f"choose the task weights by {both[0]}, which beats equal and tuned ones"
    if TUNED in beaten[EQUAL]:
        return "tune the task weights, which beats leaving them equal"
    if methods:
        return f"of the ways to choose the task weights {methods[0]} beats leaving them equal"
    return "leave the task weights equal: no other way to choose them is shown to be better"


def _method(contrasts: pd.DataFrame) -> str:
    """Whether any way to choose the weights beats equal and tuned ones."""
    found = {it: {row["candidate"]: row for row in together(contrasts, it)} for it in (EQUAL, TUNED)}
    held = [it for it, rows in found.items() if rows]
    if not held:
        return "there is nothing to hold the methods against"
    beaten = {it: {arm for arm, row in found[it].items() if row["verdict"] == "better"} for it in held}
    methods = [arm for arm in found[held[0]] if arm not in _WEIGHTS]
    if winners := [arm for arm in methods if all(arm in beaten[it] for it in held)]:
        said = listed(f"{called(it)} ({shown_test(found[it][winners[0]])})" for it in held)
        return f"{winners[0]} beats {said} by more than noise"
    if TUNED in beaten.get(EQUAL, ()):
        return (
            f"tuned weights beat equal ones by more than noise ({shown_test(found[EQUAL][TUNED])}), and no method "
            "beats tuned weights"
        )
    for it, other in ((EQUAL, TUNED), (TUNED, EQUAL)):
        if some := [arm for arm in methods if arm in beaten.get(it, ())]:
            test = shown_test(found[it][some[0]])
            return f"{some[0]} beats {called(it)} by more than noise ({test}), but not {called(other)}"
    if EQUAL in beaten.get(TUNED, ()):
        return (
            f"equal weights beat tuned ones by more than noise ({shown_test(found[TUNED][EQUAL])}), and no method "
            "beats equal weights"
        )
    return f"no method beats {listed(map(called, held), 'or')} by more than noise"
