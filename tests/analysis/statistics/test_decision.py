"""The decision: its six words in their order, what would settle it, and how often it claims what is not so."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.statistics.decision import Decision, decide, decide_between, smallest_effect, unfinished_names
from pipeline.analysis.statistics.intervals import Estimate, Part
from pipeline.analysis.tables import FINISHED, differences_table, scores_table
from tests.analysis.made import drawn, evaluation

MARGINS = dict.fromkeys("abcd", 0.01)


def estimate(mean: float, se: float, df: float = 30.0, seeds: int = 5) -> Estimate:
    return Estimate(mean, se**2 / 2, se**2 / 2, df, seeds)


def decided(delta: Estimate | None, a: Estimate, b: Estimate, **more: Any) -> Decision:
    return decide(delta, {"a": a, "b": b}, 1.0, MARGINS, **more)


BETTER, WORSE, OPEN = estimate(0.05, 0.01), estimate(-0.05, 0.01), estimate(0.01, 0.01)
TIGHT = estimate(0.001, 0.001)
UP, DOWN, FLAT = estimate(5.0, 1.0), estimate(-5.0, 1.0), estimate(0.5, 1.0)


@pytest.mark.parametrize(
    ("delta", "a", "b", "word"),
    [
        (estimate(0.1, 0.1), TIGHT, TIGHT, "no_difference"),
        (estimate(0.5, 0.1), TIGHT, TIGHT, "no_difference"),  # clearly better, by less than matters
        (estimate(0.1, 0.1), TIGHT, OPEN, "unknown"),  # a task may differ by what matters
        (FLAT, TIGHT, TIGHT, "unknown"),  # all together may
        (FLAT, BETTER, WORSE, "mixed"),
        (UP, BETTER, WORSE, "mixed"),
        (UP, BETTER, OPEN, "helps"),
        (UP, OPEN, OPEN, "helps"),
        (UP, OPEN, WORSE, "unknown"),  # all together better, and one clearly worse
        (DOWN, WORSE, OPEN, "hurts"),
        (DOWN, OPEN, OPEN, "hurts"),
        (DOWN, OPEN, BETTER, "unknown"),
        (FLAT, BETTER, OPEN, "unknown"),
        (FLAT, OPEN, OPEN, "unknown"),
    ],
)
def test_the_word_follows_from_delta_m_and_the_tasks(delta: Estimate, a: Estimate, b: Estimate, word: str) -> None:
    assert decided(delta, a, b).word == word


def test_the_clear_tasks_are_named() -> None:
    found = decided(UP, BETTER, WORSE)
    assert (found.better, found.worse) == (("a",), ("b",))
    assert decided(FLAT, BETTER, OPEN).better == ("a",)


def test_nothing_is_claimed_without_what_a_claim_needs() -> None:
    both = {"a": BETTER, "b": BETTER}
    found = {
        "one_task": decide(UP, {"a": BETTER}, 1.0, MARGINS),
        "no_single": decide(None, {}, 1.0, MARGINS),
        "one_replicate": decide(replace(UP, num_seeds=1), both, 1.0, MARGINS),
        "nothing_shared": decide(UP, both, 1.0, MARGINS, shares=False),
        "unfinished": decide(UP, both, 1.0, MARGINS, unfinished=["single a"]),
    }
    assert {it.word for it in found.values()} == {"no_claim"}
    assert {name: it.lack for name, it in found.items()} == {name: name for name in found}
    assert found["unfinished"].unfinished == ("single a",)


def test_one_replicate_of_many_seeds_is_one_replicate() -> None:
    assert decided(UP, BETTER, OPEN, replicates=1).lack == "one_replicate"
    assert decided(UP, BETTER, OPEN, replicates=5).word == "helps"


def test_tasks_are_corrected_for_their_number_and_for_more_where_told() -> None:
    # p of a is 0.03: two tasks make that 0.06.
    almost = estimate(float(stats.t.isf(0.015, 30)) * 0.01, 0.01)
    found = decided(FLAT, almost, OPEN)
    assert found.p_tasks["a"] == pytest.approx(0.06)
    assert found.better == ()
    assert decided(UP, BETTER, OPEN, p=0.2).word == "unknown"
    assert decided(FLAT, BETTER, WORSE, p_tasks={"a": 0.2, "b": 0.001}).word == "unknown"


def test_a_difference_of_nothing_in_every_row_is_no_difference() -> None:
    none = estimate(0.0, 0.0)
    assert decided(none, none, none).word == "no_difference"


def test_what_is_not_known_is_within_no_margin() -> None:
    assert decided(estimate(0.1, 0.1), TIGHT, estimate(math.nan, math.nan)).word == "unknown"
    assert decide(estimate(0.1, 0.1), {"a": TIGHT, "b": TIGHT}, 1.0, {"a": 0.01, "b": math.nan}).word == "unknown"


def test_the_smallest_effect_has_the_value_worked_out_by_hand_and_is_shown_in_four_of_five_tries() -> None:
    # t(.975, 30) = 2.042272 and t(.80, 30) = 0.853767, times the standard error.
    effect = smallest_effect(estimate(0.0, 2.0))
    assert effect == pytest.approx(2.0 * (2.042272 + 0.853767), abs=1e-5)
    assert decided(FLAT, OPEN, OPEN).smallest == pytest.approx(effect / 2.0)
    shown = stats.nct.sf(stats.t.ppf(0.975, 30), 30, effect / 2.0)
    assert shown == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    ("rows", "between", "narrows", "replicates"),
    [
        (2.0, 1.0, "rows", None),
        (1.0, 1.0, "rows", None),
        (1.0, 2.0, "replicates", 10),  # twice as many bring what is between down to the rows' part
        (1.0, 1.1, "replicates", 6),
        (1.0, 50.0, "replicates", 20),  # four times as many halve the standard error: more is not proposed
        (0.0, 1.0, "replicates", 20),
    ],
)
def test_what_narrows_it_most_follows_from_the_variances(
    rows: float, between: float, narrows: str, replicates: int | None
) -> None:
    found = decided(Estimate(0.1, rows, between, 10.0, 5), OPEN, OPEN)
    assert (found.word, found.narrows, found.replicates) == ("unknown", narrows, replicates)


def simulated(
    effects: tuple[float, ...], draws: np.random.Generator, rows_sd: float, between_sd: float, rows: int = 200
) -> Decision:
    """A job with normal errors of rows and of five replicates in every task, whose variances are estimated, too."""
    tasks, parts = {}, []
    for task, effect in zip("abcd", effects, strict=False):
        replicates = draws.normal(0.0, between_sd, 5)
        mean = effect + draws.normal(0.0, rows_sd) + replicates.mean()
        row_part = Part(rows_sd**2 * draws.chisquare(rows - 1) / (rows - 1), rows - 1)
        between = Part(replicates.var(ddof=1) / 5, 4)
        tasks[task] = Estimate.of(mean, [row_part], [between], 5)
        parts.append((row_part, between))
    count = len(tasks)
    delta = Estimate.of(
        100 * float(np.mean([it.mean for it in tasks.values()])),
        [Part(1e4 * one.variance / count**2, one.df) for one, _ in parts],
        [Part(1e4 * other.variance / count**2, other.df) for _, other in parts],
        5,
    )
    return decide(delta, tasks, 1.0, MARGINS)


JOBS = 3000


def counted(effects: tuple[float, ...], rows_sd: float, between_sd: float, seed: int) -> Counter[str]:
    draws = np.random.default_rng(seed)
    return Counter(simulated(effects, draws, rows_sd, between_sd).word for _ in range(JOBS))


@pytest.mark.parametrize(("rows_sd", "between_sd"), [(0.02, 0.001), (0.001, 0.05), (0.02, 0.04)])
@pytest.mark.parametrize("tasks", [2, 4])
def test_of_jobs_without_a_difference_at_most_one_in_twenty_claims_one(
    tasks: int, rows_sd: float, between_sd: float
) -> None:
    found = counted((0.0,) * tasks, rows_sd, between_sd, seed=tasks)
    claims = sum(found[word] for word in ("helps", "hurts", "mixed"))
    assert claims <= stats.binom.ppf(0.999, JOBS, 0.05)


def test_of_large_jobs_without_a_difference_most_say_so() -> None:
    found = counted((0.0, 0.0), 0.002, 0.002, seed=1)
    assert found["no_difference"] >= 0.9 * JOBS


def test_a_difference_beyond_the_margin_is_seldom_called_none_and_never_turned_round() -> None:
    found = counted((0.011, 0.011), 0.004, 0.004, seed=2)
    assert found["no_difference"] <= stats.binom.ppf(0.999, JOBS, 0.05)
    assert counted((-0.1, -0.1), 0.02, 0.02, seed=3)["helps"] == 0


def test_a_large_difference_is_found() -> None:
    assert counted((0.1, 0.1), 0.01, 0.02, seed=4)["helps"] >= 0.95 * JOBS
    assert counted((0.1, -0.1), 0.01, 0.02, seed=5)["mixed"] >= 0.8 * JOBS


def test_two_candidates_of_an_evaluation_are_decided_between() -> None:
    accuracies = {"default": 0.9, SINGLE: 0.6}
    scores = {
        name: {task: drawn(it, seed=place + 10 * n) for place, task in enumerate("ab")}
        for n, (name, it) in enumerate(accuracies.items())
    }
    made = evaluation({"default": ("default", scores["default"]), SINGLE: ("single", scores[SINGLE])})
    found = decide_between(made, "default", SINGLE, 0.01)
    assert (found.word, found.better) == ("helps", ("a", "b"))
    assert found.delta is not None
    assert found.delta.mean == pytest.approx(made.delta_m["mean"].iloc[0])
    assert decide_between(made, "default", "nobody", 0.01).lack == "no_single"
    corrected = {"all": 0.2, "a": 0.2, "b": 0.2}
    assert decide_between(made, "default", SINGLE, 0.01, corrected=corrected).word == "unknown"
    rows = [["default", "all", 0.2, 0.1, 1.0, False], [SINGLE, "b", 0.2, 0.1, 1.0, True]]
    unfinished = replace(made, finished=pd.DataFrame(rows, columns=FINISHED))
    assert decide_between(unfinished, "default", SINGLE, 0.01).unfinished == ("single b",)
    assert unfinished_names(unfinished.finished, ["default"]) == ()


def test_an_errors_margin_is_a_share_of_what_the_constant_prediction_has_and_less_is_better() -> None:
    # Errors of about 0.50 and 0.51: 2 % of the constant's 0.5, ten times that of 5.
    def scores(level: float, seed: int):  # type: ignore[no-untyped-def]
        values = np.linspace(level - 0.001, level + 0.001, 5)
        found = {task: replace(drawn(0.7, seed=seed), primary="mae", metrics={"mae": values}) for task in "ab"}
        for it in found.values():
            # No task's primary metric is an error yet.
            it.__dict__.update(_resamples=level + np.linspace(-1e-3, 1e-3, 2000), _draw="all")
        return found

    one, other = scores(0.50, 1), scores(0.51, 1)
    pairs = [("default", SINGLE)]
    made = evaluation({"default": ("default", {"a": drawn(0.7), "b": drawn(0.7)})})
    delta = made.delta_m
    flat = estimate(0.0, 0.1)
    row = {name: getattr(flat, name) for name in ("mean", "rows_var", "between_var", "df", "num_seeds")}
    made = replace(
        made,
        differences=differences_table({"default": one, SINGLE: other}, pairs),
        delta_m=pd.concat([delta, pd.DataFrame([{"candidate": "default", "against": SINGLE} | row])]),
    )
    for constant, within in ((0.5, False), (5.0, True)):
        always = {"constant": scores(constant, 1)}
        found = decide_between(replace(made, references=scores_table(always)), "default", SINGLE, 0.01)
        assert found.tasks["a"].mean == pytest.approx(0.01)
        assert (found.word == "no_difference") == within
