"""The first line of a comparison for made-up numbers."""

from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from pipeline.analysis.statistics.decision import Decision, Word
from pipeline.analysis.statistics.intervals import Estimate
from pipeline.config.tasks import ALL
from pipeline.reports.words import shown_p
from pipeline.studies.compare.answer import advice, decision
from pipeline.studies.compare.comparison import Comparison

SINGLE, EQUAL, TUNED = "single-task", "equal", "tuned"
_VERDICT = {"+": "better", "-": "worse", "0": "unclear"}


def made(**means: dict[str, str]) -> pd.DataFrame:
    """Tests of all tasks together: by reference and arm, a mean that ends in its verdict, such as `1.5+`."""
    rows = [
        {"candidate": arm, "against": against.replace("_", "-"), "task": ALL, "mean": float(it[:-1]),
         "low": float(it[:-1]) - 0.5, "high": float(it[:-1]) + 0.5, "p_holm": 0.8 if it[-1] == "0" else 0.01,
         "verdict": _VERDICT[it[-1]]}
        for against, arms in means.items()
        for arm, it in arms.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["candidate", "against", "task", "mean", "low", "high", "p_holm", "verdict"])


NONE = {"equal": {"tuned": "0.10", "upgrad": "0.20"}, "tuned": {"equal": "-0.10", "upgrad": "0.10"}}
TASKS = {"a": Estimate(0.05, 1e-4, 1e-5, 20.0, 5), "b": Estimate(-0.05, 1e-4, 1e-5, 20.0, 5)}


def decided(word: Word, better: str = "", worse: str = "", **more: Any) -> Decision:
    """A decision in which these tasks are clear."""
    p_tasks = {task: 0.01 if task in better + worse else 0.9 for task in TASKS}
    return Decision(word, tasks=TASKS, p_tasks=p_tasks, delta=Estimate(1.0, 0.2, 0.4, 9.0, 5), **more)


def said(contrasts: pd.DataFrame, tuned: Decision | None = None, **others: Word) -> str:
    """The first line where the tuned weights are decided of so, and other arms have these words."""
    decisions = {(TUNED, SINGLE): tuned or decided("unknown", smallest=2.5, replicates=10, narrows="replicates")}
    decisions |= {(arm, SINGLE): decided(word) for arm, word in others.items()}
    found = SimpleNamespace(
        contrasts=contrasts, decisions=decisions, decision=decisions[TUNED, SINGLE], margin=0.01, folds=0, once=False
    )
    return decision(cast(Comparison, found))


def advised(contrasts: pd.DataFrame, word: Word = "unknown") -> str:
    """What to do, of a comparison on the tasks a and b."""
    found = SimpleNamespace(contrasts=contrasts, decision=decided(word), metrics=dict.fromkeys("ab", "accuracy"))
    return advice(cast(Comparison, found))


def single(mean: str) -> pd.DataFrame:
    return made(single_task={"equal": "0.10", "tuned": mean, "upgrad": "0.20"}, **NONE)


NO_METHOD = "; no method beats equal weights or tuned weights by more than noise."


def test_what_is_not_known_is_said_with_what_would_settle_it() -> None:
    assert said(single("0.30")) == (
        "Whether sharing with tuned weights helps here is not known yet (+0.30 % [-0.20, +0.80], p = 0.800, against "
        "single-task networks tuned alike); an effect of 2.50 % would have been seen in four of five tries, and "
        f"tuning.replicates=10 would narrow it most{NO_METHOD}"
    )
    rows = said(single("0.30"), decided("unknown", better="a", smallest=2.5))
    assert ", though clearly better on a (+5.00 points); an effect" in rows
    assert "more test rows would narrow it most, a larger tuning.replicates little" in rows


@pytest.mark.parametrize(
    ("found", "start"),
    [
        (decided("helps", better="a"), "Sharing helps here with tuned weights (+2.00 % [+1.50, +2.50], p = 0.010, "
         "against single-task networks tuned alike), clearly better on a (+5.00 points); no method"),
        (decided("hurts"), "Sharing hurts here with tuned weights (+2.00 % [+1.50, +2.50], p = 0.010, against "
         "single-task networks tuned alike); no method"),
        (decided("mixed", better="a", worse="b"), "With tuned weights sharing helps some tasks here and hurts"),
        (decided("no_difference"), "Sharing with tuned weights makes no difference here that matters (+2.00 % ["),
        (decided("no_claim", lack="unfinished", unfinished=("tuned", "single a")), "No claim is made on whether "
         "sharing helps here: tuned and single a were still improving when training ended (train longer:"),
        (decided("no_claim", lack="no_shared"), "No claim is made on whether sharing helps here: no network with"),
    ],
)  # fmt: skip
def test_each_word_has_its_sentence(found: Decision, start: str) -> None:
    assert said(single("2.0+"), found).startswith(start)


def test_both_sides_of_a_mixed_answer_are_named() -> None:
    assert "better on a (+5.00 points) and worse on b (-5.00 points)" in said(
        single("2.0+"), decided("mixed", better="a", worse="b")
    )


def test_what_is_claimed_of_other_arms_is_said() -> None:
    line = said(single("2.0+"), decided("helps"), equal="helps", upgrad="helps", famo="hurts", random="unknown")
    assert "; it helps with equal weights and upgrad, it hurts with famo; no method" in line


@pytest.mark.parametrize(
    ("equal", "tuned", "wanted"),
    [
        ({"tuned": "2.0+", "upgrad": "1.00"}, {"equal": "-2.0-", "upgrad": "-1.00"},
         "tuned weights beat equal ones by more than noise (+2.00 % [+1.50, +2.50], p = 0.010), and no method beats"),
        ({"tuned": "1.00", "upgrad": "2.0+"}, {"equal": "-1.00", "upgrad": "0.50"},
         "upgrad beats equal weights by more than noise (+2.00 % [+1.50, +2.50], p = 0.010), but not tuned weights"),
        ({"tuned": "-1.0-", "upgrad": "0.00"}, {"equal": "1.0+", "upgrad": "0.50"},
         "equal weights beat tuned ones by more than noise"),
        ({"tuned": "-1.00", "upgrad": "0.00"}, {"equal": "1.00", "upgrad": "2.0+"},
         "upgrad beats tuned weights by more than noise (+2.00 % [+1.50, +2.50], p = 0.010), but not equal weights"),
        ({"upgrad": "2.0+"}, {}, "upgrad beats equal weights (+2.00 % [+1.50, +2.50], p = 0.010) by more than noise"),
        ({}, {}, "there is nothing to hold the methods against"),
    ],
)  # fmt: skip
def test_what_beats_what_is_said(equal: dict[str, str], tuned: dict[str, str], wanted: str) -> None:
    assert wanted in said(made(single_task={"tuned": "0.00"}, equal=equal, tuned=tuned))


def test_without_single_task_networks_it_says_so() -> None:
    line = said(made(**NONE), decided("no_claim", lack="no_single"))
    assert line.startswith("Whether sharing helps here is not known, since a single-task network could not be trained;")


def test_a_tiny_p_is_no_zero() -> None:
    assert shown_p(1e-9) == "p < 0.001"
    assert shown_p(0.0414) == "p = 0.041"
    assert shown_p(float("nan")) == "p unknown"


@pytest.mark.parametrize(
    ("word", "begins"),
    [
        ("helps", "Let a and b share a network: with tuned task weights that does better than a network for each; "),
        ("hurts", "Keep a network for each of a and b: one that they share does worse, with tuned task weights too; "),
        ("mixed", "Sharing a network helps some of a and b and hurts others; "),
        ("no_difference", "Whether a and b share a network makes no difference that matters; "),
        ("unknown", "It cannot be told yet whether a and b gain by sharing a network; "),
        ("no_claim", "It was not settled whether a and b gain by sharing a network; "),
    ],
)
def test_a_newcomer_is_told_whether_to_share(word: Word, begins: str) -> None:
    assert advised(made(**NONE), word).startswith(begins)


@pytest.mark.parametrize(
    ("contrasts", "ends"),
    [
        (NONE, "leave the task weights equal: no other way to choose them is shown to be better."),
        (
            {"equal": {"tuned": "0.90+", "upgrad": "1.20+"}, "tuned": {"upgrad": "0.80+"}},
            "choose the task weights by upgrad, which beats equal and tuned ones.",
        ),
        (
            {"equal": {"tuned": "0.90+", "upgrad": "1.20+"}, "tuned": {"upgrad": "0.300"}},
            "tune the task weights, which beats leaving them equal.",
        ),
        (
            {"equal": {"tuned": "0.200", "upgrad": "1.20+"}, "tuned": {"upgrad": "0.300"}},
            "of the ways to choose the task weights upgrad beats leaving them equal.",
        ),
        ({"single_task": {"tuned": "1.0+"}}, "no way to choose the task weights could be held against equal ones."),
    ],
)
def test_a_newcomer_is_told_how_to_choose_the_weights(contrasts: dict[str, dict[str, str]], ends: str) -> None:
    assert advised(made(**contrasts)).endswith(f"; {ends}")
