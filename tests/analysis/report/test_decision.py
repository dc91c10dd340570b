"""The first line of a comparison for made-up numbers."""

import pandas as pd
import pytest

from pipeline.analysis.comparison import ALL
from pipeline.analysis.report.decision import decision, shown_p

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


def test_no_difference_is_said_plainly() -> None:
    said = decision(made(single_task={"equal": "0.10", "upgrad": "0.30"}, **NONE))
    assert said == (
        "It is unclear whether sharing helps here: the best arm, upgrad, differs from single-task networks tuned alike "
        "by no more than noise (+0.30 % [-0.20, +0.80], p = 0.800); no method beats equal weights or tuned weights by "
        "more than noise."
    )


def test_a_method_that_beats_both_is_named_with_its_numbers() -> None:
    said = decision(
        made(
            single_task={"equal": "0.10", "upgrad": "2.3+"},
            equal={"tuned": "0.10", "upgrad": "2.2+"},
            tuned={"equal": "-0.10", "upgrad": "2.1+"},
        )
    )
    assert said == (
        "Sharing helps here by more than noise with upgrad (+2.30 % [+1.80, +2.80], p = 0.010, against single-task "
        "networks tuned alike); upgrad beats equal weights (+2.20 % [+1.70, +2.70], p = 0.010) and tuned weights "
        "(+2.10 % [+1.60, +2.60], p = 0.010) by more than noise."
    )


def test_single_task_networks_that_are_better_mean_that_sharing_hurts() -> None:
    said = decision(made(single_task={"equal": "-3.0-", "upgrad": "-2.0-"}, **NONE))
    assert said.startswith(
        "Sharing hurts here by more than noise: single-task networks tuned alike are better than every arm, the best "
        "of which is upgrad (-2.00 % [-2.50, -1.50], p = 0.010); no method beats"
    )


def test_arms_that_are_worse_do_not_hide_one_that_may_not_be() -> None:
    assert decision(made(single_task={"equal": "-0.20", "upgrad": "-2.0-"}, **NONE)).startswith("It is unclear")


@pytest.mark.parametrize(
    ("equal", "tuned", "said"),
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
def test_what_beats_what_is_said(equal: dict[str, str], tuned: dict[str, str], said: str) -> None:
    assert said in decision(made(single_task={"equal": "0.00"}, equal=equal, tuned=tuned))


def test_without_single_task_networks_it_says_so() -> None:
    assert decision(made(**NONE)).startswith("Whether sharing helps here is not known")


def test_a_tiny_p_is_no_zero() -> None:
    assert shown_p(1e-9) == "p < 0.001"
    assert shown_p(0.0414) == "p = 0.041"
    assert shown_p(float("nan")) == "p unknown"
