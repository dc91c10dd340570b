"""What a command, a step and a worker import: what they need and no more, for every library takes its time.

Programs of their own are asked, since this process has imported everything.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from .conftest import REPOSITORY, make_project

# Each takes a tenth of a second to several seconds to import.
LIBRARIES = {
    "alembic", "captum", "fastapi", "matplotlib", "mlflow", "numpy", "optuna", "pandas", "plotly", "pyarrow",
    "pydantic", "rich", "safetensors", "scipy", "scipy.stats", "sklearn", "sqlalchemy", "torch", "torch._dynamo",
    "tokenizers", "torchmetrics", "torchvision", "transformers", "yaml",
}  # fmt: skip
TRACKING = {"alembic", "fastapi", "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "sqlalchemy", "yaml"}
"""What mlflow brings, and reading an experiment."""

COMMANDS = """
import json, sys
from pathlib import Path
from pipeline.cli import main

told = []
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        assert end.code in (0, None, 2), words
    told.append(sorted(sys.modules))
Path("told.json").write_text(json.dumps(told))
"""

WORKER = """
import os
import pipeline.cli  # as the script `headway` does, which a worker imports again

if __name__ == "__main__":
    from pipeline.training.workers.processes import WorkerProcess

    os.environ["PYTHONPROFILEIMPORTTIME"] = "1"  # the worker says on stderr what it imports
    worker = WorkerProcess(0.0)
    worker.call("states", [])
    assert worker.result() == []
    worker.close()
"""

SMALL = ("--set", "training.epochs=1", "--set", "training.seeds=2", "--set", "tuning.trials=2", "--quiet")


def imported_by(commands: Sequence[Sequence[str]], folder: Path) -> list[set[str]]:
    """The libraries that are imported after each of some commands, given one after the other to one process."""
    program = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(program, cwd=folder, env=_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [LIBRARIES & set(modules) for modules in json.loads((folder / "told.json").read_text())]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for this module."""
    with pytest.MonkeyPatch.context() as patch:
        return make_project(tmp_path_factory.mktemp("startup") / "project", patch)


@pytest.fixture(scope="module")
def steps(place: Path) -> dict[str, set[str]]:
    """What is imported after each step, done one after the other from nothing."""
    names = ("prepare", "train", "tune", "evaluate", "run")
    return dict(zip(names, imported_by([[name, "debug", *SMALL] for name in names], place), strict=True))


@pytest.fixture(scope="module")
def again(place: Path, steps: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is imported after a whole run that is cached, and after the report has been drawn again."""
    commands = [["run", "debug", *SMALL], ["report", "debug", *SMALL, "--force", "report"]]
    return dict(zip(("run", "report"), imported_by(commands, place), strict=True))


def test_help_imports_no_library_but_the_command_lines_own(tmp_path: Path) -> None:
    assert imported_by([[], ["--help"], ["run", "--help"], ["--version"]], tmp_path) == [set()] * 4


def test_looking_after_imports_neither_torch_nor_what_tracks(place: Path) -> None:
    found = imported_by([["completion", "bash"], ["doctor"]], place)
    assert found[0] == set()
    assert found[1] <= {"numpy", "pydantic", "yaml"}


def test_experiments_are_listed_by_what_reads_them(place: Path) -> None:
    assert imported_by([["list"]], place) == [{"pydantic", "yaml"}]


def test_a_mistake_is_told_before_anything_slow_is_imported(place: Path) -> None:
    mistakes = [["run", "no_such"], ["tune", "debug", "--set", "training.epoch=3"], ["train", "debug", "--epochs"]]
    assert imported_by(mistakes, place)[-1] <= {"numpy", "pydantic", "yaml"}


def test_a_whole_run_that_is_cached_imports_what_tracks_it_and_no_more(again: dict[str, set[str]]) -> None:
    assert again["run"] <= TRACKING


def test_to_prepare_takes_no_torch(steps: dict[str, set[str]]) -> None:
    assert steps["prepare"] <= TRACKING


def test_to_train_takes_torch_and_no_more(steps: dict[str, set[str]]) -> None:
    assert "torch" in steps["train"]
    assert steps["train"] - steps["prepare"] <= {"torch", "safetensors", "rich"}


def test_to_tune_takes_optuna_too(steps: dict[str, set[str]]) -> None:
    assert "optuna" in steps["tune"]
    assert steps["tune"] - steps["train"] == {"optuna"}


def test_a_study_is_looked_at_without_torch_and_mlflow(place: Path, steps: dict[str, set[str]]) -> None:
    words = ["debug", "--json"]
    commands = [["study", "show", *words], ["study", "best", *words], ["study", "stop", *words]]
    found = imported_by([*commands, ["study", "export", "debug", "trials.csv"]], place)
    assert not {"torch", "mlflow", "safetensors", "fastapi"} & found[-1]


def test_to_evaluate_takes_nothing_more(steps: dict[str, set[str]]) -> None:
    assert steps["evaluate"] - steps["tune"] <= {"rich"}


def test_to_report_takes_no_torch(again: dict[str, set[str]]) -> None:
    assert "plotly" in again["report"]
    assert not {"torch", "torchvision"} & again["report"]


def test_a_worker_imports_what_training_takes_and_no_more(tmp_path: Path) -> None:
    program = tmp_path / "headway.py"
    program.write_text(WORKER)
    done = subprocess.run([sys.executable, program], env=_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert {"pipeline.training.stack.stack", "torch"} <= names
    assert LIBRARIES & names <= {"numpy", "pydantic", "safetensors", "torch", "yaml"}
