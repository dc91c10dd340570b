"""Public data under several recipes: what is run, what a row says, and what is asked of the answers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks.common.tables import made
from benchmarks.public import __main__ as command, tables
from benchmarks.public.drawn import kind_of
from benchmarks.public.job import _run, answered, written
from benchmarks.public.judged import FAILED, answers, checks, claims
from benchmarks.public.loop import looped
from benchmarks.public.recipes import COMPARE, DEFAULTS, FOLDS, LONGER, LOOP, SPLITS, WHOLE, WITHOUT, Recipe, planned
from benchmarks.public.tables import Public
from pipeline.analysis.candidate import CONSTANT, SINGLE
from pipeline.config.compare import TUNED

WORDS = ("no_claim", "no_difference", "mixed", "helps", "hurts", "unknown")
SMALL = {
    "training.updates": 12, "training.seeds": 2, "tuning.trials": 2, "model.trunk.widths": [8],
}  # fmt: skip
MADE = Public("made", frame=lambda: made(150), targets={"positive": "binary", "amount": "regression"})


def rows(*found: tuple) -> pd.DataFrame:
    """Rows of the record from table, recipe, decision and more."""
    same = {"seed": 0, "delta_m": 1.0, "unfinished": None, "tasks": "", "networks": "{}", "references": "{}"}
    names = ("table", "recipe", "decision")
    about = [same | dict(zip(names, it, strict=False)) | (it[3] if len(it) > 3 else {}) for it in found]
    return pd.DataFrame(about)


def told(jobs: pd.DataFrame, about: str) -> list[bool]:
    """Whether what is said of something holds."""
    found = [holds for said, holds in checks(jobs) if about in said]
    assert found
    return found


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pd.Series(np.arange(100.0)), "regression"),
        (pd.Series(list("ab") * 10), "binary"),
        (pd.Series([True, False] * 10), "binary"),
        (pd.Series(list("abc") * 5), "multiclass"),
        (pd.Series([1, 2, 3] * 5), "multiclass"),
        (pd.Series(list("ab") * 10 + ["c"] * 4), None),
        (pd.Series([f"{row}" for row in range(200)]), None),
        (pd.Series([1.0] * 20), None),
    ],
)
def test_a_column_is_a_target_by_what_is_in_it(column: pd.Series, kind: str | None) -> None:
    assert kind_of(column) == kind


def test_every_job_is_planned_once_and_penguins_first() -> None:
    jobs = list(planned(["penguins", "digits", "a", WHOLE]))
    assert len(set(jobs)) == len(jobs) == 4 + (SPLITS - 1) + 5 + 4 + 1
    assert {name for name, _, _ in jobs[: 4 + SPLITS - 1]} == {"penguins"}
    assert [recipe for name, recipe, _ in jobs if name == WHOLE] == [DEFAULTS]
    assert [name for name, recipe, _ in jobs if recipe == LOOP] == ["digits"]


@pytest.mark.parametrize(
    ("recipe", "arms", "updates"),
    [
        (Recipe(DEFAULTS, SMALL), {TUNED, SINGLE}, 12),
        (Recipe(LONGER, SMALL, times=4), {TUNED, SINGLE}, 48),
        (Recipe(FOLDS, SMALL | {"training.folds": 2}), {TUNED, SINGLE}, 12),
        (Recipe(COMPARE, SMALL | {"compare.methods": ["uncertainty"]}, compares=True),
         {"equal", TUNED, "random", "uncertainty", SINGLE}, 12),
    ],
    ids=lambda it: it.name if isinstance(it, Recipe) else "",
)  # fmt: skip
def test_a_job_tells_its_decision_and_each_replicates_scores(recipe: Recipe, arms: set[str], updates: int) -> None:
    row = answered(MADE, recipe, seed=0)
    assert row["decision"] in WORDS
    assert (row["updates"], row["trials"]) == (updates, 2)
    assert row["low"] <= row["delta_m"] <= row["high"]
    assert set(json.loads(row["tasks"])) == {"positive", "amount"}
    networks = json.loads(row["networks"])
    assert {task: {arm: len(values) for arm, values in by.items()} for task, by in networks.items()} == {
        task: dict.fromkeys(arms, 2) for task in ("positive", "amount")
    }
    references = json.loads(row["references"])
    assert {name for by in references.values() for name in by} == (
        {CONSTANT, "gradient boosting"} if recipe.name == DEFAULTS else set()
    )


def test_a_study_is_kept_in_a_journal(tmp_path: Path) -> None:
    recipe = Recipe(FOLDS, SMALL)
    _run(written(MADE, recipe, 0, tmp_path), recipe, tmp_path)
    assert (tmp_path / "studies.log").exists()
    assert not list(tmp_path.glob("*.db"))


def test_the_plain_loop_learns_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.public.job.looped", lambda prepared, task, runs: looped(prepared, task, 2, epochs=10)
    )
    row = answered(Public("digits", ships=True), Recipe(LOOP), seed=0)
    found = json.loads(row["networks"])
    assert {task: len(by[LOOP]) for task, by in found.items()} == {"digit": 2, "parity": 2, "at_least_five": 2}
    assert all(0.9 < value < 1.0 for value in found["digit"][LOOP])


def test_jobs_go_to_the_record_which_a_later_run_goes_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def answer(public: Public, recipe: Recipe, seed: int) -> dict:
        ran.append((public.name, recipe.name, seed))
        networks = {"a": {TUNED: [0.9], SINGLE: [0.9]}}
        return {"decision": "unknown", "delta_m": 0.1, "networks": json.dumps(networks),
                "references": json.dumps({"a": {CONSTANT: 0.5, "boosting": 0.9}}), "cpu_s": 1.0}  # fmt: skip

    monkeypatch.setattr("benchmarks.public.job.answered", answer)
    monkeypatch.setattr(command, "publics", lambda: {"penguins": MADE, "digits": MADE})
    monkeypatch.setattr(command, "missing", lambda: None)
    words = ["--table", "penguins", "--record", str(tmp_path / "records" / "jobs.csv")]
    for more in (["--recipe", DEFAULTS], ["--recipe", FOLDS], []):
        shown = CliRunner().invoke(command.main, [*words, *more], catch_exceptions=False)
        assert shown.exit_code == 0
    assert len(set(ran)) == len(ran) == 4 + SPLITS - 1
    assert "unknown +0.10" in shown.output


def test_what_is_missing_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tables, "PACKAGES", ("no_such_package", "numpy"))
    shown = CliRunner().invoke(command.main, ["--record", str(tmp_path / "jobs.csv")])
    assert (shown.exit_code, shown.output.splitlines()) == (
        1,
        ["Error: the public tables are missing: python -m pip install -c requirements.txt no_such_package"],
    )


def test_helps_against_hurts_does_not_hold() -> None:
    steady = rows(("a", DEFAULTS, "helps"), ("a", LONGER, "unknown"), ("b", DEFAULTS, "hurts"))
    assert told(steady, "helps stands against hurts") == [True]
    assert told(rows(("a", DEFAULTS, "helps"), ("a", FOLDS, "hurts")), "helps stands against hurts") == [False]


@pytest.mark.parametrize(
    ("longer", "holds"), [("helps", True), ("unknown", True), ("mixed", False), ("no_difference", False)]
)
def test_one_table_may_claim_another_thing_when_trained_for_longer(longer: str, holds: bool) -> None:
    one, two = (
        rows(*((name, recipe, word) for name in names for recipe, word in ((DEFAULTS, "helps"), (LONGER, longer))))
        for names in ("a", "ab")
    )
    assert told(one, "claim another thing") == [True]
    assert told(two, "claim another thing") == [holds]


@pytest.mark.parametrize(("tuned", "holds"), [(0.986, [True]), (0.984, [False])])
def test_penguins_are_held_against_boosting_over_all_splits(tuned: float, holds: list[bool]) -> None:
    networks, references = {"a": {TUNED: [tuned, tuned]}}, {"a": {CONSTANT: 0.1, "boosting": 1.0}}
    about = {"networks": json.dumps(networks), "references": json.dumps(references)}
    jobs = rows(*(("penguins", DEFAULTS, "unknown", about | {"seed": seed}) for seed in range(SPLITS)))
    assert told(jobs, "penguins, a") == holds
    assert not [said for said, _ in checks(jobs.iloc[1:]) if "penguins, a" in said]


@pytest.mark.parametrize(
    ("cut", "price", "holds"),
    [([0.80, 0.80], 0.98, [True] * 5), ([0.78, 0.78], 0.97, [False, False, False, True, True]),
     ([0.79, 0.81], 0.98, [True, True, True, False, True])],
)  # fmt: skip
def test_all_of_diamonds_reach_what_is_asked(cut: list[float], price: float, holds: list[bool]) -> None:
    networks = {"cut": {TUNED: cut, SINGLE: [0.8, 0.8]}, "price": {TUNED: [price] * 2, SINGLE: [price] * 2}}
    jobs = rows((WHOLE, DEFAULTS, "unknown", {"networks": json.dumps(networks)}))
    assert told(jobs, f"{WHOLE}, ") == holds
    without = jobs.assign(table=WITHOUT)
    assert told(without, f"{WITHOUT}, ") == [holds[0], *holds[3:]]


@pytest.mark.parametrize(("single", "holds"), [(0.986, True), (0.970, False), (0.999, False)])
def test_digits_are_held_against_a_plain_loop(single: float, holds: bool) -> None:
    jobs = rows(
        ("digits", LOOP, None, {"networks": json.dumps({"a": {LOOP: [0.98, 0.99]}, "b": {LOOP: [0.98, 0.99]}})}),
        ("digits", DEFAULTS, "unknown", {"networks": json.dumps({"a": {SINGLE: [single]}, "b": {SINGLE: [single]}})}),
    )
    assert told(jobs, "the plain loop") == [holds]


def test_a_job_that_failed_is_counted_and_claims_nothing() -> None:
    jobs = rows(("a", DEFAULTS, "helps"), ("b", DEFAULTS, FAILED, {"delta_m": np.nan}))
    assert told(jobs, "jobs failed") == [False]
    assert claims(jobs).to_dict() == {DEFAULTS: 1}
    assert answers(jobs)[DEFAULTS].to_dict() == {"a": "helps +1.00", "b": "failed"}
