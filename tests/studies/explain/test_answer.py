"""The sentences of an explanation, for made-up numbers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.studies.explain.answer import answer, details, place_shares, rests, sure
from pipeline.studies.explain.explanation import Explanation

SHARING = ["task", "against", "method", "rows", "means", "randomised"]


def found(
    shares: dict[str, dict[str, float]],
    another: float = 0.8,
    randomised: float = 0.0,
    sharing: tuple[float, float] | None = None,
    **more: Any,
) -> Explanation:
    """Of tasks on columns, which count so much by either method, as two seeds and shuffled weights agree."""
    importance = [
        {"task": task, "method": method, "input": name, "share": share}
        for task, own in shares.items()
        for method in ("gradients", "occlusion")
        for name, share in own.items()
    ]
    checks = [
        {"task": task, "method": "gradients", "another_seed": another, "randomised": randomised} for task in shares
    ]
    tasks = list(shares)
    pairs = [[*tasks[:2], "gradients", np.nan, *sharing]] if sharing else []
    made: dict[str, Any] = {
        "importance": pd.DataFrame(importance, columns=["task", "method", "input", "share"]),
        "words": pd.DataFrame(columns=["task", "method", "word", "times", "strength"]),
        "sharing": pd.DataFrame(pairs, columns=SHARING),
        "checks": pd.DataFrame(checks),
        "shapes": dict.fromkeys(tasks),
        "examples": [],
        "rows": dict.fromkeys(tasks, 80),
    }
    return Explanation(**(made | more))


PRICES = {"price": {"area": 0.54, "town": 0.31, "{x}": 0.15}, "grand": {"{x}": 0.4, "area": 0.35, "town": 0.25}}


def test_columns_are_named_that_carry_half_of_what_counts() -> None:
    assert rests(found(PRICES)) == (
        "The answer for price rests most on area (54 % of what counts); for grand on {x} (40 %) and area (35 %)."
    )


def test_of_many_tasks_the_first_are_told() -> None:
    said = rests(found({f"t{number}": {"a": 1.0} for number in range(6)}))
    assert said.endswith("for t3 on a (100 %); 2 more tasks stand below.")


def test_words_are_named_and_where_none_is_frequent_that_is_said() -> None:
    words = pd.DataFrame(
        [["mood", method, word, 9, strength] for method in ("gradients", "occlusion")
         for word, strength in (("the", 0.1), ("great", 5.0), ("{poor}", 4.0), ("awful", 3.0))],
        columns=["task", "method", "word", "times", "strength"],
    )  # fmt: skip
    it = found({"mood": {}, "who": {}}, words=words)
    assert rests(it) == (
        "The answer for mood rests most on the words “great”, “{poor}” and “awful”; for who on no word that is "
        "frequent enough to be named."
    )


def test_of_images_the_place_is_named() -> None:
    pixels = np.ones((6, 9))
    even = {str(place): float(it) for place, it in enumerate((pixels / pixels.sum()).flatten())}
    pixels[:2, 6:] = 9.0  # upper right: 54 of 102
    corner = {str(place): float(it) for place, it in enumerate((pixels / pixels.sum()).flatten())}
    it = found({"a": corner, "b": even}, shapes={"a": (6, 9), "b": (6, 9)})
    assert rests(it) == (
        "The answer for a rests most on the upper right of the image (53 % of what counts); for b on the whole image "
        "alike."
    )
    assert next(iter(place_shares(pixels).items())) == ("upper right", pytest.approx(54 / 102))
    assert sum(place_shares(pixels).values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("another", "randomised", "said"),
    [
        (
            0.8, 0.02,
            "A network trained with another seed rests on much the same (rank correlation 0.80, where 1 is the same); "
            "one with shuffled weights rests on something else (0.02), so this is learnt.",
        ),
        (0.5, 0.02, "A network trained with another seed rests on partly the same (rank correlation 0.50, where 1"),
        (0.1, 0.02, "rests on something else (rank correlation 0.10, where 1 is the same), so do not build on it; "),
        (0.8, 0.6, "one with shuffled weights rests on it too (0.60), so in part the inputs bring it about."),
        (np.nan, 0.02, "Whether another training would rest on the same is not known: there is no network of another"),
        (0.8, np.nan, "A network trained with another seed rests on much the same (rank correlation 0.80, where 1 is"),
    ],
)  # fmt: skip
def test_how_sure_it_is_is_said_by_what_another_seed_and_shuffled_weights_rest_on(
    another: float, randomised: float, said: str
) -> None:
    told = sure(found(PRICES, another, randomised))
    assert said in told
    assert told.endswith(".")
    assert "nan" not in told


def test_a_task_on_which_seeds_do_not_agree_is_named() -> None:
    it = found(PRICES)
    it.checks.loc[it.checks["task"] == "grand", "another_seed"] = 0.1
    assert "where 1 is the same), but hardly for grand; one with" in sure(it)


@pytest.mark.parametrize(
    ("sharing", "said"),
    [
        ((0.8, 0.2), "rest on much the same inputs (rank correlation 0.80), more so than with shuffled weights (0.20): "
                     "this they have learnt."),
        ((0.8, 0.75), "much the same inputs (rank correlation 0.80), no more so than with shuffled weights (0.75): the "
                      "inputs bring that about."),
        ((0.1, 0.1), "rest on different inputs (rank correlation 0.10); with shuffled weights it is 0.10."),
        ((0.5, np.nan), "rest on partly the same inputs (rank correlation 0.50)."),
        (None, "There are no two tasks with the same inputs."),
    ],
)  # fmt: skip
def test_whether_tasks_rest_on_the_same_and_have_learnt_to(sharing: tuple[float, float] | None, said: str) -> None:
    assert details(found(PRICES, sharing=sharing), "it")[0].endswith(said)


def test_what_was_explained_is_said() -> None:
    it = found(PRICES)
    lines = answer(it, "the tuned network (seed 1)").splitlines()
    assert lines[0] == f"{rests(it)} {sure(it)}"
    assert lines[2] == (
        "Explained is the tuned network (seed 1), on rows of validation (80 for each task), by integrated gradients."
    )
    it.rows["grand"] = 1200
    assert "(80 for price, 1,200 for grand)" in details(it, "it")[1]
