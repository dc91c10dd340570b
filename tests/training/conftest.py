"""Numbers as in a real process, and the two experiments that ship, prepared once."""

from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.training.numerics import settle
from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True, scope="session")
def settled() -> None:
    settle()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return _prepared("digits", tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def mnist_fashion(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return _prepared("mnist_fashion", tmp_path_factory.mktemp("mnist_fashion"))


def _prepared(name: str, folder: Path) -> Prepared:
    place = Place("sample", REPOSITORY / "experiments" / "data", None, folder)
    prepare(load(name, {}, REPOSITORY), place, folder, lambda line: None)
    return open_prepared(folder)
