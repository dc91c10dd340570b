"""Jobs whose truth is known: what is run, what the tables hold, and what is asked of the answers."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks.truth import __main__ as command
from benchmarks.truth.compared import compared
from benchmarks.truth.families import FAMILIES, Family, Task
from benchmarks.truth.job import answered
from benchmarks.truth.judged import checks, table
from benchmarks.truth.part import PARTS
from benchmarks.truth.told import told
from benchmarks.truth.truth import replicate_of

QUICK = {"training.updates": 12, "tuning.trials": 5}
COINS = Family("coins", "coin", 100, (Task(coin=True),) * 2, (4,), 40, QUICK)
COPIES = Family("copies", "null", 100, (Task(heard=0),) * 2, (4,), 40, QUICK)
HELPED = Family("helped", "helps", 100, (Task(labelled=0.5),) * 2, (4,), 40, QUICK)
HURT = Family("hurt", "hurts", 100, (Task(0), Task(1)), (1,), 40, QUICK)
LARGE = Family("large", "null", 20_000, (Task(heard=0),) * 2, (4,), 40, QUICK)


def jobs(family: Family, *words: str, delta: float = 0.0, half: float = 1.0) -> pd.DataFrame:
    """Rows of a family's jobs that answer so, a fortieth of them each."""
    return pd.DataFrame(
        [
            {"family": family.name, "rows": family.rows, "number": number, "decision": word, "delta_m": delta,
             "low": delta - half, "high": delta + half, "unfinished": False, "cpu_s": 1.0}
            for number, word in enumerate(words)
        ]
    )  # fmt: skip


def truths(family: Family, delta: float) -> pd.DataFrame:
    """Three replicates about a truth."""
    found = [{"family": family.name, "rows": family.rows, "number": n, "delta_m": delta + n - 1} for n in range(3)]
    return pd.DataFrame(found)


def holds(about: str, family: Family, own: pd.DataFrame, truth: float = 0.0, **parts: pd.DataFrame) -> bool:
    """Whether the one thing that is asked, in words that hold these, is answered by the rows."""
    asked = checks({"jobs": own, "truths": truths(family, truth), **parts}, [family])
    ((_, found),) = [it for it in asked if about in it[0]]
    return found


def test_as_much_is_run_as_was_fixed() -> None:
    assert sum(it.jobs for it in FAMILIES) == 645
    assert sum(it.jobs for it in FAMILIES if it.is_null) >= 300
    assert sum(it.jobs for it in FAMILIES if not it.is_null) >= 300
    assert sum(it.jobs for it in FAMILIES if it.kind == "coin") >= 100
    assert sum(it.jobs for it in FAMILIES if it.is_null and it.rows >= 10_000) >= 40
    counts = {name: sum(part.count(it) for it in FAMILIES) for name, part in PARTS.items()}
    assert counts == {"truths": 18 * 20, "jobs": 645, "folds": 615, "compared": 100, "told": 40}
    small = [it for it in FAMILIES if it.by_folds]
    assert max(it.rows for it in small) <= 2_000
    assert sum(it.by_folds for it in small if it.rows <= 500) >= 400
    assert min(sum(it.by_folds for it in small if it.is_null is null) for null in (True, False)) >= 300
    assert len({it.title for it in FAMILIES}) == len(FAMILIES)


def test_a_table_is_what_its_tasks_say() -> None:
    copies = COPIES.table(1)
    assert (copies["t0"] == copies["t1"]).all()
    pd.testing.assert_frame_equal(copies, COPIES.table(1))
    assert not copies["x0"].equals(COPIES.table(2)["x0"])
    coins = COINS.table(1, rows=10_000)
    assert (coins["t0"] == coins["t1"]).mean() == pytest.approx(0.5, abs=0.03)
    helped = HELPED.table(1, rows=2_000, tested=500)
    assert helped["t0"].notna().head(2_000).mean() == pytest.approx(0.5, abs=0.05)
    assert helped["t0"].tail(500).notna().all()
    assert helped["split"].value_counts().to_dict() == {"train": 2_000, "test": 500}
    number = replace(HELPED, tasks=(Task(noise=0.0, number=True),))
    assert number.table(1, rows=20_000)["t0"].std() == pytest.approx(1.0, abs=0.05)


def test_half_widths_by_folds_are_held_against_those_of_one_split() -> None:
    few = replace(COPIES, rows=500)
    split, narrow, wide = (jobs(few, *["unknown"] * 3, half=half) for half in (1.0, 0.7, 0.9))
    assert holds("500 rows: half-widths", few, split, folds=narrow)
    assert not holds("500 rows: half-widths", few, split, folds=wide)


def test_jobs_by_folds_are_asked_as_much_as_those_of_one_split() -> None:
    every = jobs(COINS, *["unknown"] * 40)
    assert holds("by folds, 0 of 40 null jobs claim", COINS, every, folds=every)
    claims = jobs(COINS, *["helps"] * 4, *["unknown"] * 36)
    assert not holds("by folds, 4 of 40 null jobs claim", COINS, every, folds=claims)


def test_a_row_that_is_missing_is_told() -> None:
    every = jobs(COPIES, *["unknown"] * 40)
    assert holds("rows of jobs", COPIES, every)
    assert not holds("rows of jobs", COPIES, every.iloc[1:])


def test_claims_where_nothing_differs_are_counted() -> None:
    few, many = (jobs(COPIES, *["helps"] * n, *["unknown"] * (40 - n)) for n in (2, 3))
    assert holds("claim a difference", COPIES, few)
    assert not holds("claim a difference", COPIES, many)


def test_the_wrong_way_is_counted() -> None:
    assert holds("wrong way", HURT, jobs(HURT, "helps", *["hurts"] * 39, delta=-9.0), -9.0)
    assert not holds("wrong way", HURT, jobs(HURT, "helps", "helps", *["hurts"] * 38, delta=-9.0), -9.0)


def test_no_difference_where_there_is_one_is_counted() -> None:
    few, many = (jobs(HELPED, *["no_difference"] * n, *["unknown"] * (40 - n)) for n in (2, 3))
    assert holds("say no difference (at most 5 %)", HELPED, few, 5.0)
    assert not holds("say no difference (at most 5 %)", HELPED, many, 5.0)
    assert holds("say no difference (at most 5 %)", HELPED, many, 0.5)


def test_intervals_have_to_hold_the_truth() -> None:
    assert holds("intervals of coin flips", COINS, jobs(COINS, *["unknown"] * 40, delta=0.5))
    assert not holds("intervals of coin flips", COINS, jobs(COINS, *["unknown"] * 40, delta=2.0))
    assert holds("hold the truth", HURT, jobs(HURT, *["hurts"] * 40, delta=-4.0), -4.5)
    assert not holds("hold the truth", HURT, jobs(HURT, *["hurts"] * 40, delta=-4.0), -6.5)


def test_an_effect_that_is_plain_has_to_be_seen() -> None:
    of = jobs(HURT, *["hurts"] * 32, *["unknown"] * 8, delta=-9.0)
    assert holds("decide rightly", HURT, of, -9.0)
    of = jobs(HURT, *["hurts"] * 31, *["unknown"] * 9, delta=-9.0)
    assert not holds("decide rightly", HURT, of, -9.0)


def test_of_large_data_half_have_to_say_no_difference() -> None:
    words = [["no_difference"] * n + ["unknown"] * (40 - n) for n in (20, 19)]
    assert [holds("(at least half)", LARGE, jobs(LARGE, *it)) for it in words] == [True, False]


def test_unfinished_jobs_are_counted() -> None:
    own = jobs(COPIES, *["no_claim"] * 40)
    own.loc[:3, "unfinished"] = True
    assert holds("unfinished", COPIES, own)
    own.loc[:4, "unfinished"] = True
    assert not holds("unfinished", COPIES, own)


def test_comparisons_and_commands_are_judged() -> None:
    own = jobs(COPIES, "unknown", "unknown", delta=0.25)
    rows = own[["family", "rows", "number", "decision", "delta_m", "cpu_s"]]
    claiming = rows.assign(claims=["equal helps against single-task", None])
    assert not holds("comparisons", COPIES, own, compared=claiming)
    assert holds("comparisons", COPIES, own, compared=claiming.assign(claims=None))
    assert holds("headway run", COPIES, own, told=rows)
    assert not holds("headway run", COPIES, own, told=rows.assign(decision=["unknown", "helps"]))
    assert not holds("headway run", COPIES, own, told=rows.assign(delta_m=[0.25, 0.2501]))


def test_the_table_counts_by_family() -> None:
    (row,) = table(jobs(HURT, "hurts", "unknown", delta=-3.0), truths(HURT, -3.5), [HURT]).to_dict("records")
    assert (row["jobs"], row["hurts"], row["unknown"], row["covered"], row["expected"]) == (2, 1, 1, 2, 1)
    assert (row["truth"], row["mean"], row["half_width"]) == (-3.5, -3.0, 1.0)


def test_a_job_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, int]] = []

    def row(part: str, family: Family, number: int) -> dict:
        ran.append((part, number))
        return {"family": family.name, "rows": family.rows, "number": number, "delta_m": 0.0, "cpu_s": 1.0}

    class Here:
        """Runs a job at once."""

        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> "Here":
            return self

        def __exit__(self, *_: object) -> None: ...

        def submit(self, run, *values: object):
            from concurrent.futures import Future

            found: Future = Future()
            found.set_result(run(*values))
            return found

    monkeypatch.setattr(command, "row", row)
    monkeypatch.setattr(command, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(command, "FAMILIES", (replace(COPIES, jobs=3),))
    columns = ("family", "rows", "number", *PARTS["jobs"].columns)
    kept = pd.DataFrame([{"family": "copies", "rows": 100, "number": 1}], columns=columns)
    kept.to_csv(tmp_path / "jobs.csv", index=False)
    words = ["--part", "jobs", "--processes", "1", "--folder", str(tmp_path)]
    assert CliRunner().invoke(command.main, words, catch_exceptions=False).exit_code == 0
    assert ran == [("jobs", 0), ("jobs", 2)]
    ran.clear()
    CliRunner().invoke(command.main, words, catch_exceptions=False)
    assert ran == []


def test_a_job_answers_and_so_do_its_replicates_on_fresh_rows() -> None:
    found = answered(COPIES, 0)
    assert found["low"] < found["delta_m"] < found["high"]
    assert set(PARTS["jobs"].columns) <= found.keys()
    assert {"delta_m", "points_t0", "points_t1", "cpu_s"} == replicate_of(COINS, 0).keys()


@pytest.mark.slow
def test_a_job_by_its_commands_answers_the_same() -> None:
    here, by_command = answered(COPIES, 0), told(COPIES, 0)
    assert by_command["decision"] == here["decision"]
    assert by_command["delta_m"] == pytest.approx(here["delta_m"], abs=1e-6)


@pytest.mark.slow
def test_a_comparison_names_the_arms_that_claim() -> None:
    found = compared(COINS, 0)
    assert set(PARTS["compared"].columns) <= found.keys()
