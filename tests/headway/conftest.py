"""A job that is done once for all tests of the package `headway`."""

from pathlib import Path

import pytest

import headway
from tests.conftest import go, make_project

SETTINGS = {"training.epochs": 1, "training.seeds": 2, "tuning.trials": 2}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of the job."""
    with pytest.MonkeyPatch.context() as patch:
        return make_project(tmp_path_factory.mktemp("python") / "project", patch)


@pytest.fixture(scope="session")
def done(place: Path) -> headway.Result:
    """The whole job of the experiment `debug`."""
    with pytest.MonkeyPatch.context() as patch:
        go(place, patch)
        return headway.Experiment.load("debug", settings=SETTINGS).run(quiet=True)


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project of the job, as the working directory."""
    go(place, monkeypatch)
    return place
