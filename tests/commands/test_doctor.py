"""`headway doctor`: a line each, one of the three states, and never a traceback."""

import importlib.metadata
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from pipeline import machine
from pipeline.commands import doctor
from tests.conftest import REPOSITORY, Headway, empty_database, go

NAMES = (
    "Python", "packages", "names", "cores", "memory", "disk", "project", "experiments", "cache", "temporary", "runs",
    "studies", "GPU",
)  # fmt: skip


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the working directory, on a machine with nothing else to do."""
    folder = tmp_path / "empty"
    folder.mkdir()
    go(folder, monkeypatch)
    monkeypatch.delenv("HEADWAY_STORAGE", raising=False)
    monkeypatch.setattr(machine, "load", lambda: 0.5)
    monkeypatch.setattr(machine, "available_memory", lambda: 8 * 2**30)
    return folder


def states(headway: Headway, code: int = 0, experiment: str = "") -> dict[str, tuple[str, str]]:
    """What is found, with its advice, and how it is judged, by the check."""
    told = headway("doctor", *filter(None, [experiment]), "--json")
    assert (told.code, told.err) == (code, "")
    assert told.json["ok"] == (code == 0)
    checks = told.json["checks"]
    assert tuple(it["check"] for it in checks) == NAMES + (("experiment",) if experiment else ())
    assert all(it["advice"] for it in checks if it["state"] == "warning")
    return {it["check"]: (it["state"], f"{it['found']}: {it['advice']}") for it in checks}


def test_an_empty_folder_is_well_but_no_project_and_nothing_is_left_in_it(empty: Path, headway: Headway) -> None:
    found = states(headway)
    assert {name for name, (state, _) in found.items() if state != "ok"} <= {"project", "disk", "GPU"}
    assert "headway new FOLDER" in found["project"][1]
    assert "made by the first run" in found["runs"][1]
    assert [*empty.iterdir()] == []


def test_each_check_is_a_line_and_the_last_one_names_what_comes_next(project: Path, headway: Headway) -> None:
    told = headway("doctor")
    lines = told.out.splitlines()
    assert (told.code, told.err) == (0, "")
    assert [line[:21].split()[1] for line in lines[:-1]] == [*NAMES]
    assert {line.split()[0] for line in lines[:-1]} <= {"ok", "warning"}
    assert "headway run EXPERIMENT" in lines[-1]
    assert f"sqlite:///{project}/mlflow.db answers" in told.out


def test_a_broken_mlproject_is_one_problem(empty: Path, headway: Headway) -> None:
    (empty / "MLproject").write_text("a: [b\n")
    found = states(headway, 1)
    assert [name for name, (state, _) in found.items() if state == "problem"] == ["project"]
    assert "is not plain YAML, line 2" in found["project"][1]
    assert headway("doctor").out.endswith("1 problem: mend what is said above, then ask again\n")


def test_a_server_that_is_away_is_told_within_seconds_and_without_passwords(
    empty: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway
) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:letmein@127.0.0.1:{port}")
    monkeypatch.setenv("HEADWAY_STORAGE", f"postgresql+psycopg://me:letmein@127.0.0.1:{port}/studies")
    started = time.monotonic()
    found = states(headway, 1)
    assert time.monotonic() - started < 15
    assert {name for name, (state, _) in found.items() if state == "problem"} == {"runs", "studies"}
    assert "cannot be reached" in found["runs"][1]
    assert "letmein" not in str(found)


def test_a_server_that_is_silent_is_told_within_seconds(
    empty: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway
) -> None:
    monkeypatch.setattr("pipeline.tracking.connection.TIMEOUT_S", 0.2)
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "does not answer" in states(headway, 1)["runs"][1]


def test_a_check_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ANSWERS_WITHIN_S", 0.05)
    with pytest.raises(doctor.Failure, match="the store did not answer"):
        doctor._in_time(lambda: time.sleep(1.0), "the store")


def test_databases_that_are_none_are_problems(empty: Path, headway: Headway) -> None:
    (empty / "mlflow.db").write_text("This is no database, whatever its name says. " * 100)
    (empty / "optuna.db").write_text("Nor is this one. " * 100)
    found = states(headway, 1)
    assert "mlflow.db cannot be read (file is not a database): move it away" in found["runs"][1]
    assert "optuna.db cannot be read" in found["studies"][1]


def test_databases_that_are_there_answer_and_are_not_changed(empty: Path, headway: Headway) -> None:
    (empty / "mlflow.db").write_bytes(empty_database())
    with closing(sqlite3.connect(empty / "optuna.db")) as base:
        base.execute("CREATE TABLE studies (study_id INTEGER)")
    found = states(headway)
    assert found["runs"][1].startswith(f"sqlite:///{empty}/mlflow.db answers")
    assert (empty / "mlflow.db").read_bytes() == empty_database()


def test_modules_that_hide_headways_are_named(empty: Path, headway: Headway) -> None:
    (empty / "pipeline.py").write_text("")
    (empty / "headway").mkdir()  # a folder without __init__.py hides nothing
    state, told = states(headway)["names"]
    assert (state, f"{empty}/pipeline.py would hide" in told, f"{empty}/headway" in told) == ("warning", True, False)


def test_an_experiment_that_cannot_be_read_is_named(empty: Path, headway: Headway) -> None:
    (empty / "experiments").mkdir()
    (empty / "experiments" / "mine.yaml").write_text("training: {epoch: 3}\n")
    state, told = states(headway)["experiments"]
    assert state == "warning"
    assert told.startswith("1 of your own")
    assert "mine.yaml" in told


def own_experiment(folder: Path, tuning: str) -> None:
    text = (REPOSITORY / "experiments" / "debug.yaml").read_text(encoding="utf-8")
    (folder / "experiments").mkdir(exist_ok=True)
    tree = yaml.safe_load(text) | {"name": "mine", "tuning": yaml.safe_load(tuning)}
    (folder / "experiments" / "mine.yaml").write_text(yaml.safe_dump(tree))


def test_the_storage_of_an_experiment_is_checked_and_no_other(empty: Path, headway: Headway) -> None:
    (empty / "optuna.db").write_text("This is no database. " * 100)
    own_experiment(empty, "{storage: 'sqlite:///own.db'}")
    found = states(headway, experiment="mine")
    assert found["experiment"] == ("ok", "mine, 2 tasks on digits: ")
    assert found["studies"] == ("ok", f"sqlite:///{empty}/own.db, made by the first study: ")
    assert headway("doctor", "mine").out.splitlines()[-1].endswith("headway run mine")
    own_experiment(empty, "{storage: 'sqlite:///away/own.db'}")
    assert states(headway, 1, "mine")["studies"][0] == "problem"
    own_experiment(empty, "null")
    assert states(headway, experiment="mine")["studies"][1].startswith("none needed: mine searches nothing")


def test_a_server_of_an_experiments_studies_that_is_away_is_told_without_its_password(
    empty: Path, headway: Headway
) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own_experiment(empty, f"{{storage: 'postgresql+psycopg://me:letmein@127.0.0.1:{port}/studies'}}")
    assert states(headway)["studies"][0] == "ok"
    found = states(headway, 1, "mine")
    assert [name for name, (state, _) in found.items() if state == "problem"] == ["studies"]
    assert f"127.0.0.1:{port}" in found["studies"][1]
    assert "letmein" not in str(found)


@pytest.mark.parametrize(("text", "said"), [(None, "unknown experiment"), ("training: {epoch: 3}\n", "mine.yaml")])
def test_an_experiment_that_is_asked_for_and_cannot_be_read_is_a_problem(
    empty: Path, headway: Headway, text: str | None, said: str
) -> None:
    (empty / "experiments").mkdir()
    if text:
        (empty / "experiments" / "mine.yaml").write_text(text)
    found = states(headway, 1, "mine")
    assert [name for name, (state, _) in found.items() if state == "problem"] == ["experiment"]
    assert said in found["experiment"][1]


def test_a_folder_that_cannot_be_written_is_a_problem(
    empty: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refused)
    found = states(headway, 1)
    assert found["project"][1].startswith(f"{empty} cannot be written (Permission denied)")
    assert found["cache"][0] == "warning"


@pytest.mark.parametrize(("free", "code", "state"), [(2**20, 1, "problem"), (2**30, 0, "warning")])
def test_a_disk_that_is_full_is_told(
    empty: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway, free: int, code: int, state: str
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(2**40, 2**40 - free, free))
    assert states(headway, code)["disk"][0] == state


def test_a_machine_that_is_busy_or_small_is_told(
    empty: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 1)
    monkeypatch.setattr(machine, "load", lambda: 9.0)
    monkeypatch.setattr(machine, "available_memory", lambda: 2**30)
    found = states(headway)
    assert found["cores"][0] == found["memory"][0] == "warning"
    assert "9 programs want them" in found["cores"][1]
    monkeypatch.setattr(machine, "available_memory", lambda: 2**28)
    assert states(headway, 1)["memory"][0] == "problem"


def test_packages_are_held_against_what_is_asked_for(
    empty: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway
) -> None:
    asked = ["click>=8.2", "numpy<1.0", "no-such-package-at-all", 'pandas<1; extra == "dev"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: asked)
    state, told = states(headway, 1)["packages"]
    here = importlib.metadata.version("numpy")
    assert (state, told.split("; no-such")[0]) == ("problem", f"numpy {here} is not <1.0")
    assert "no-such-package-at-all is missing" in told
    assert "pandas" not in told


def test_a_python_that_does_not_do_is_told(empty: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway) -> None:
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.9.1")
    assert "Headway needs" in states(headway, 1)["Python"][1]


@pytest.mark.parametrize(
    ("cuda", "torch", "state", "told"),
    [
        ((0, 0), "2.15.0", "ok", "no driver"),
        ((0, 12040), "2.15.0", "warning", "a driver with CUDA 12.4, and no GPU"),
        ((2, 12080), "2.15.0+cpu", "warning", "for processors only"),
        ((2, 12080), "2.15.0+cu130", "warning", "for a newer CUDA"),
        ((2, 13000), "2.15.0+cu130", "ok", "2 x H1, CUDA 13.0, torch 2.15.0+cu130"),
    ],
)
def test_a_gpu_is_told_with_what_keeps_torch_from_it(
    monkeypatch: pytest.MonkeyPatch, cuda: tuple[int, int], torch: str, state: str, told: str
) -> None:
    monkeypatch.setattr("pipeline.steps.device.cuda", lambda: cuda)
    monkeypatch.setattr("pipeline.steps.device.gpu_name", lambda: "H1")
    monkeypatch.setattr(importlib.metadata, "version", lambda _: torch)
    found, *words = doctor._gpu()
    assert (found, told in ": ".join(words)) == (state, True)


def test_a_check_that_fails_is_a_problem_and_no_traceback(
    empty: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 1 // 0)
    assert states(headway, 1)["cores"] == (
        "problem", "ZeroDivisionError: integer division or modulo by zero: packages above may tell why"
    )  # fmt: skip


def test_a_library_that_is_missing_is_told_and_torch_and_mlflow_are_not_imported(empty: Path) -> None:
    program = (
        "import sys\nsys.argv[1:] = ['doctor']\nsys.modules['yaml'] = None\n"
        "from pipeline.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    print(end.code, 'torch' in sys.modules, 'mlflow' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.endswith("1 False False\n")
    assert "yaml" in done.stdout
