"""The wheel, installed beside the libraries of this environment and used in folders without a clone."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config import load
from pipeline.steps.prepare import Prepare
from tests.conftest import REPOSITORY, git_files
from tests.docs.pages import blocks_of

pytestmark = pytest.mark.slow

SMALL = ("--set", "training.seeds=2", "--set", "training.updates=100", "--trials", "4", "--set", "tuning.batch=2")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git keeps and a file that it does not."""
    source = tmp_path_factory.mktemp("source")
    for folder in ("headway", "pipeline", "experiments"):
        for name in git_files(folder):
            (source / folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / folder / name, source / folder / name)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copyfile(REPOSITORY / name, source / name)
    (source / "experiments" / "private.yaml").write_text("# Mine.\n")
    as_readme_says("pip wheel", source, "--no-build-isolation")
    (found,) = (source / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that it is installed into."""
    folder = tmp_path_factory.mktemp("site")
    as_readme_says("pip install", wheel.parents[1], "--no-deps", "--target", str(folder))
    return folder


def as_readme_says(command: str, folder: Path, *more: str) -> None:
    """Run README's line with that command in a folder, with more options that keep it off the network."""
    lines = "\n".join(blocks_of(REPOSITORY / "README.md", "sh")).splitlines()
    (line,) = [it.partition("#")[0] for it in lines if it.startswith(command)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    words = shlex.join(["--quiet", "--disable-pip-version-check", *more])
    done = subprocess.run(
        ["bash", "-c", f"{line} {words}"],
        cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def environment(site: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return inherited | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}


def call(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess:
    """The command that the wheel installs."""
    command = [sys.executable, str(site / "bin" / "headway"), *words]
    return subprocess.run(command, cwd=folder, env=environment(site), capture_output=True, text=True)


def test_it_carries_what_ships_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}
    shipped = {f"headway/experiments/{name}" for name in git_files("experiments")}
    assert {name for name in names if name.startswith("headway/experiments/")} == shipped
    assert {"headway/py.typed", "pipeline/py.typed", "pipeline/reports/templates/report.html"} <= names
    assert {name.split("/")[0] for name in names} == {"headway", "pipeline"}


def test_it_is_used_and_not_the_clone(site: Path, tmp_path: Path) -> None:
    program = "import headway, pipeline; print(headway.__file__); print(pipeline.__file__); print(headway.__version__)"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(site), capture_output=True, text=True
    ).stdout.splitlines()
    assert told[:2] == [str(site / name / "__init__.py") for name in ("headway", "pipeline")]
    assert re.fullmatch(r"\d+\.\d+\.\d+", told[2])


def test_a_shipped_experiment_runs_in_an_empty_folder(site: Path, tmp_path: Path) -> None:
    listed = call(site, tmp_path, "list", "--json")
    assert all(it["shipped"] for it in json.loads(listed.stdout))
    done = call(site, tmp_path, "run", "debug")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"no MLproject here or above: results go into {tmp_path}"
    assert (tmp_path / "reports" / "debug" / "report.html").is_file()
    prepared = call(site, tmp_path, "prepare", "census", "--json")
    keys = [step["key"] for step in json.loads(prepared.stdout)["steps"]]
    assert keys == [Prepare(load("census", {}, REPOSITORY), REPOSITORY).key().digest]


@pytest.fixture(scope="module")
def made(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, in whose folder stands a file that Python would take for Headway's package; its job is done."""
    folder = tmp_path_factory.mktemp("outside") / "mine"
    assert call(site, folder.parent, "new", "mine").returncode == 0
    (folder / "pipeline.py").write_text("raise SystemExit('not Headway')\n")
    done = call(site, folder, "run", "people", *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_new_project_predicts(site: Path, made: Path) -> None:
    words = ("--model", "models:/people@champion", "--input", "data/people.csv", "--output", "scored.csv")
    done = call(site, made, "predict", *words)
    assert done.returncode == 0, done.stderr
    scored = pd.read_csv(made / "scored.csv")
    assert len(scored) == 2_000
    assert {"income/class", "education_years/value"} <= {*scored.columns}


@pytest.fixture
def served(site: Path, made: Path) -> Iterator[str]:
    """The address where the model answers."""
    command = [sys.executable, str(site / "bin" / "headway"), "serve", "models:/people@champion", "--port", "0"]
    with subprocess.Popen(command, cwd=made, env=environment(site), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r"http://\S+/invocations", process.stdout.readline())
            assert found
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)


def test_a_new_project_serves(served: str, made: Path) -> None:
    rows = (made / "data" / "people.csv").read_bytes().split(b"\n")
    asked = urllib.request.Request(served, b"\n".join(rows[:3]) + b"\n", {"Content-Type": "text/csv"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        told = json.loads(answer.read())
    assert len(told["predictions"]) == 2
    assert told["predictions"][0]["income/class"] in ("<=50K", ">50K")
