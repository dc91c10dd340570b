"""`headway study`: what its storage tells of a study, from any folder, and how one is ended."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline.tuning.lease import LEASE, Register
from pipeline.tuning.storage import connect
from tests.conftest import REPOSITORY, Headway, Result, call_headway, go, make_project

SMALL = ("--set", "training.epochs=2", "--set", "tuning.batch=2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a study of six trials in two replicates."""
    with pytest.MonkeyPatch.context() as patch:
        folder = make_project(tmp_path_factory.mktemp("study") / "project", patch)
        debug = (folder / "experiments" / "debug.yaml").read_text()
        (folder / "experiments" / "mine.yaml").write_text(debug.replace("name: debug", "name: mine"))
        told = call_headway("tune", "mine", *SMALL, "--trials", "6", "--quiet")
        assert (told.code, told.out, told.err) == (0, "", "")
    return folder


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(place, monkeypatch)


def trials_csv(place: Path) -> pd.DataFrame:
    return pd.read_csv(next((place / ".headway" / "outputs").glob("*/trials.csv")))


def test_trials_are_shown_newest_first_or_best_first(place: Path, headway: Headway) -> None:
    told = headway("study", "show", "mine", "--json").json
    assert [it["number"] for it in told["trials"]] == [5, 4, 3, 2, 1, 0]
    assert (told["count"], told["coordinator"], told["notes"]) == (6, None, [])
    best = headway("study", "show", "mine", "--by", "best", "--limit", "2", "--json").json["trials"]
    expected = trials_csv(place).sort_values("value", ascending=False)
    assert [it["number"] for it in best] == expected.number.head(2).tolist()
    assert [it["value"] for it in best] == expected.value.head(2).tolist()
    assert all(sum(it["shares"].values()) == pytest.approx(1.0) for it in best)


def test_trials_are_shown_as_a_table_with_what_was_tried(headway: Headway) -> None:
    lines = headway("study", "show", "mine", "--limit", "3").out.splitlines()
    assert lines[0].startswith("mine, the shared network: mine-")
    assert lines[1] == "trials: 6 complete"
    assert lines[2].split("  ")[0] == "trial"
    assert "dropout" in lines[2]
    assert "weight digit" in lines[2]
    assert [line.split()[0] for line in lines[3:6]] == ["5", "4", "3"]
    assert all("%" in line for line in lines[3:6])
    assert lines[6] == "3 of 6 trials: --limit 6 shows all"


def test_the_winners_are_those_of_the_step(place: Path, headway: Headway) -> None:
    told = headway("study", "best", "mine", "--json").json
    chosen = json.loads(next((place / ".headway" / "outputs").glob("*/winners.json")).read_text())["winners"]
    assert [(it["replicate"], it["number"]) for it in told["winners"]] == [
        (it["replicate"], it["number"]) for it in chosen
    ]
    assert told["without"] == []
    assert "winners of 2 replicates\n" in headway("study", "best", "mine").out


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_study_is_exported_as_the_table_of_the_step(
    ending: str, place: Path, tmp_path: Path, headway: Headway
) -> None:
    file = tmp_path / f"trials.{ending}"
    told = headway("study", "export", "mine", str(file))
    assert (told.code, told.err) == (0, "")
    found = (pd.read_csv if ending == "csv" else pd.read_parquet)(file).drop(columns="seconds")
    expected = trials_csv(place)
    assert found.columns.tolist() == expected.columns.tolist()
    pd.testing.assert_frame_equal(found.drop(columns="reason"), expected.drop(columns="reason"), check_exact=True)
    assert list(tmp_path.iterdir()) == [file]


def test_all_it_takes_is_the_storage(place: Path, tmp_path: Path, headway: Headway, monkeypatch) -> None:
    (place / "experiments" / "mine.yaml").rename(place / "experiments" / "away.yaml")
    try:
        url = f"sqlite:///{place}/optuna.db"
        here = headway("study", "show", "mine", "--storage", url)
        monkeypatch.chdir(tmp_path)
        there = headway("study", "show", "mine", "--storage", url)
    finally:
        (place / "experiments" / "away.yaml").rename(place / "experiments" / "mine.yaml")
    for told in (here, there):
        assert told.code == 0, told.err
        assert told.out.splitlines()[0] == "no file of mine is here: its storage tells all that follows"
    assert here.out == there.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["show", "nothing"], 2, "unknown experiment 'nothing'"),
        (["show", "digits"], 1, "no study of digits in .*headway tune digits makes one.*holds studies of mine"),
        (["show", "yours", "--storage", "sqlite:///optuna.db"], 2, "no study of yours in .*holds studies of mine"),
        (["show", "mine", "--arm", "upgrad"], 2, "--arm upgrad: the arms of mine that have a study in .* are tuned"),
        (["show", "mine", "--storage", "sqlite:///none.db"], 1, "no study of mine in .*none.db"),
        (["show", "mine", "--storage", "oracle9://host/name"], 2, "kind that is not known"),
        (["show", "mine", "--storage", ""], 2, "--storage names no storage"),
        (["show", "mine", "--limit", "0"], 2, "--limit"),
        (["best", "mine", "--arm", "nothing"], 2, "--arm nothing"),
        (["export", "mine", "trials.xls"], 2, "written as .parquet or .csv"),
        (["export", "mine", "no/such/trials.csv"], 2, "create no/such"),
        (["stop", "nothing"], 2, "unknown experiment 'nothing'"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(words: list[str], code: int, line: str, headway: Headway) -> None:
    told = headway("study", *words)
    assert (told.code, told.out, told.err.count("\n")) == (code, "", 1)
    assert re.search(line, told.err)


def test_an_experiment_without_tuning_has_no_study(place: Path, headway: Headway) -> None:
    (place / "experiments" / "plain.yaml").write_text(
        (place / "experiments" / "mine.yaml").read_text().split("\ntuning:")[0] + "\ntuning: null\n"
    )
    told = headway("study", "show", "plain")
    (place / "experiments" / "plain.yaml").unlink()
    assert told.code == 2
    assert "searches nothing" in told.err


def test_a_stop_where_nothing_runs_is_one_line(headway: Headway) -> None:
    told = headway("study", "stop", "mine")
    assert (told.code, told.out) == (0, "no study of mine is run by anybody now, so none was stopped\n")
    assert headway("study", "stop", "mine", "--json").json == {"experiment": "mine", "asked": []}


LONG = ("tune", "mine", "--set", "training.epochs=2000", "--set", "tuning.batch=2", "--trials", "4")


def started(*words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment,
    )  # fmt: skip


def shown(*words: str) -> Result:
    return call_headway("study", "show", "mine", *words, "--json")


@pytest.mark.slow
def test_a_study_is_ended_after_an_epoch_and_resumed(place: Path, headway: Headway) -> None:
    process = started(*LONG)
    for _ in range(600):
        told = shown()
        if told.json["coordinator"] and any(it["validations"] > 2 for it in told.json["trials"]):
            break
        time.sleep(0.1)
    assert told.json["coordinator"]["pid"] == process.pid
    assert "run by process" in headway("study", "show", "mine").out
    asked = headway("study", "stop", "mine").out
    assert f"process {process.pid} on " in asked
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert "the study was stopped by process" in err
    assert "--resume goes on" in err
    trials = shown().json["trials"]
    assert {it["state"] for it in trials} == {"RUNNING"}
    again = headway(*LONG)  # without --resume
    assert (again.code, "--resume goes on" in again.err) == (1, True)
    before = max(it["validations"] for it in trials)
    process = started(*LONG, "--resume")
    for _ in range(600):
        if max(it["validations"] for it in shown().json["trials"]) > before:
            break
        time.sleep(0.1)
    assert headway("study", "stop", "mine").out.count("asked") == 1
    assert process.wait(60) == 1
    process.communicate()
    url = f"sqlite:///{place}/optuna.db"
    storage = connect(url)
    study = storage.get_study_id_from_name(shown().json["study"])
    assert Register(storage, study).read(LEASE) == "null"
