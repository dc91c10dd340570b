"""Numbers as in a real process, the two experiments that ship, prepared once, and a small one on random data."""

from pathlib import Path

import pytest

from pipeline.config import Experiment, load
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.training.numerics import settle
from tests.conftest import REPOSITORY
from tests.training.made import experiment_on, random_data


@pytest.fixture(autouse=True, scope="session")
def settled() -> None:
    settle()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return _prepared("digits", tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def mnist_fashion(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return _prepared("mnist_fashion", tmp_path_factory.mktemp("mnist_fashion"))


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return random_data(tmp_path)


@pytest.fixture
def experiment(prepared: Prepared) -> Experiment:
    return experiment_on(prepared)


def _prepared(name: str, folder: Path) -> Prepared:
    place = Place("sample", REPOSITORY / "experiments" / "data", None, folder)
    prepare(load(name, {}, REPOSITORY), place, folder, lambda line: None)
    return open_prepared(folder)
