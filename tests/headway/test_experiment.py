"""Experiments from Python do what the command line does: the same keys and runs."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import headway
from tests.conftest import REPOSITORY, Headway, go
from tests.headway.conftest import SETTINGS

AS_OPTIONS = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]

SCRIPT = """
import headway
from pipeline.training.workers import processes

started, start = [], processes.WorkerProcess.__init__

def counted(self, *args):
    started.append(args)
    start(self, *args)

processes.WorkerProcess.__init__ = counted
small = headway.Experiment(
    name="small",
    tasks={"digit": {"kind": "multiclass", "source": "digits"}},
    data={"test": 0.2},
    model={"trunk": {"widths": [16]}},
    training={"updates": 600, "seeds": 2},
    tuning={"trials": 8, "batch": 8},
    processes=2,
)
print("trials", len(small.tune(quiet=True).trials), "workers", len(started))
"""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a project, as the working directory."""
    go(tmp_path, monkeypatch)
    return tmp_path


def test_the_command_line_answers_from_the_same_runs(done: headway.Result, here: Path, headway: Headway) -> None:
    told = headway("run", "debug", *AS_OPTIONS, "--json").json
    assert told["answer"] == done.answer
    assert all(step["cached"] for step in told["steps"])
    steps = done.steps
    assert [step["key"] for step in told["steps"]] == steps["key"].tolist()
    assert [step["run_id"] for step in told["steps"]] == steps["run_id"].tolist()


def test_a_part_of_the_job_answers_from_the_same_runs(done: headway.Result, here: Path) -> None:
    trained = headway.Experiment.load("debug", settings=SETTINGS).train(quiet=True)
    assert trained.steps["cached"].all()
    assert str(trained) == "train of debug is done, answered by earlier runs"
    assert trained.history.equals(done.history[done.history["candidate"] == "default"][trained.history.columns])
    assert trained.decision is trained.report is trained.model is None


def test_settings_are_laid_over_the_file(here: Path) -> None:
    first = headway.Experiment.load("debug")
    other = first.set({"training.epochs": np.int64(5)}, **{"model.trunk.widths": (8, 8)}).set({"tuning": None})
    assert first.configuration["training"]["epochs"] == 2
    assert other.configuration["training"]["epochs"] == 5
    assert other.configuration["model"]["trunk"]["widths"] == [8, 8]
    assert other.configuration["tuning"] is None
    assert eval(repr(other), {"headway": headway}).configuration == other.configuration
    by_path = headway.Experiment.load(REPOSITORY / "experiments" / "debug.yaml", project=here)
    assert by_path.configuration == first.configuration


def test_mistakes_are_exceptions_of_one_line(here: Path) -> None:
    mistakes = {
        "unknown experiment 'debugg'": lambda: headway.Experiment.load("debugg"),
        "unknown key 'training.epoch' \\(did you mean 'epochs'": lambda: headway.Experiment.load(
            "debug", settings={"training.epoch": 1}
        ),
        "no option 'trails': a setting is given by set": lambda: headway.Experiment.load("debug").train(trails=3),
        "--force trian: the steps are": lambda: headway.Experiment.load("debug").run(force="trian"),
        "--budget soon": lambda: headway.Experiment.load("debug").run(budget="soon"),
        "device=cuda": lambda: headway.Experiment.load("debug", settings={"device": "cuda"}).train(quiet=True),
    }
    for said, mistake in mistakes.items():
        with pytest.raises(headway.UserError, match=said) as error:
            mistake()
        assert "\n" not in str(error.value)
        assert error.value._render_traceback_() == [f"UserError: {error.value}"]


def test_an_experiment_of_parts_is_a_file_of_the_project(empty: Path, headway: Headway) -> None:
    from headway import Experiment

    parts = {"tasks": {"parity": {"kind": "binary", "source": "digits"}}, "training": {"epochs": 1}}
    made = Experiment(name="odd", **parts)
    assert made.file == empty / "experiments" / "odd.yaml"
    prepared = made.prepare(quiet=True)
    told = headway("prepare", "odd", "--json").json
    assert told["steps"][0]["run_id"] == prepared.steps["run_id"][0]
    assert "odd                      yours" in headway("list").out


def test_a_project_that_is_named_is_made(tmp_path: Path) -> None:
    made = headway.Experiment(
        name="odd", project=tmp_path / "a" / "b", tasks={"parity": {"kind": "binary", "source": "digits"}}
    )
    assert made.project == tmp_path / "a" / "b"
    assert (made.project / "MLproject").is_file()
    assert headway.Experiment.load("odd", project=str(made.project)).configuration == made.configuration
    (tmp_path / "file").touch()
    with pytest.raises(headway.UserError, match="is no folder"):
        headway.Experiment.load("odd", project=tmp_path / "file")


def table(rows: int = 300) -> pd.DataFrame:
    """Two inputs, and three targets of mixed kinds that follow from them."""
    random = np.random.default_rng(0)
    size, colour = random.normal(size=rows), random.choice(["red", "green", "blue"], rows)
    price = 2.0 * size + (colour == "red") + random.normal(scale=0.1, size=rows)
    sold = np.where(price > 0.0, "yes", "no")
    return pd.DataFrame({"size": size, "colour": pd.Categorical(colour), "price": price, "sold": sold})


def test_a_frame_is_drafted_as_init_drafts_its_file(empty: Path, headway: Headway) -> None:
    from headway import Experiment

    made = Experiment(table(), {"price": None, "sold": "binary"}, name="houses", training={"seeds": 3})
    assert pd.read_parquet(empty / "data" / "houses.parquet")["price"].equals(table()["price"])
    targets = "price,sold:binary"
    assert headway("init", "data/houses.parquet", "--targets", targets, "--name", "drafted").code == 0
    drafted = Experiment.load("drafted", settings={"training.seeds": 3}).configuration
    assert drafted["tasks"].keys() == made.configuration["tasks"].keys() == {"price", "sold"}
    assert drafted["training"] == made.configuration["training"]
    assert drafted["data"] == made.configuration["data"]


@pytest.mark.slow
@pytest.mark.parametrize("way", [("script.py",), ("-",)], ids=["script", "standard input"])
def test_workers_need_no_guard_in_the_program(empty: Path, way: Sequence[str]) -> None:
    (empty / "script.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    given = None if way[0] == "script.py" else SCRIPT
    done = subprocess.run(
        [sys.executable, *way], env=environment, cwd=empty, input=given, capture_output=True, text=True, timeout=600
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "trials 8 workers 1"


@pytest.mark.slow
def test_an_interrupted_program_can_go_on(empty: Path, headway: Headway) -> None:
    program = (
        "import headway, sys\n"
        "debug = headway.Experiment.load('debug', settings={'training.epochs': 100_000})\n"
        "try:\n    debug.train()\nexcept KeyboardInterrupt as stop:\n    print('stopped:', stop)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, cwd=empty, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        while not process.stdout.readline().startswith("prepare: done"):
            assert process.poll() is None
        assert process.stdout.readline()  # of training, which takes long
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().splitlines()[-1] == "stopped: resume=True goes on"
        assert process.wait() == 0
    ended = headway("runs", "--question", "failed", "--json").json["runs"]
    assert {run["status"] for run in ended} == {"KILLED"}


@pytest.mark.slow
def test_studies_are_results_too(done: headway.Result, here: Path) -> None:
    debug = headway.Experiment.load("debug", settings=SETTINGS)
    compared = debug.compare(methods="dwa", quiet=True)
    assert compared.decision
    assert {"equal", "tuned", "dwa"} <= {*compared.tables["arms"]["arm"]}
    assert compared.figures
    explained = debug.explain(quiet=True)
    assert explained.decision is None
    assert explained.report == here / "reports" / "debug" / "explain.html"
    grouped = debug.affinity(networks=1, quiet=True)
    assert len(grouped.tables["affinities"]) > 0
