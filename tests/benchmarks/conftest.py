"""Tiny made-up data, and the flagship network on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.common.data import Data, make_up, prepared_from
from benchmarks.networks import REPOSITORY, Case, flagship
from pipeline.config import load
from pipeline.data.prepared import Prepared


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Data:
    root: Path = tmp_path_factory.mktemp("made_up")
    make_up(root, (320, 40))
    return Data(root, made_up=True)


@pytest.fixture(scope="session")
def case(tiny: Data) -> Iterator[Case]:
    with flagship(tiny) as case:
        yield case


@pytest.fixture
def validated(tiny: Data, tmp_path: Path) -> Prepared:
    """With a validation split."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    return prepared_from(tiny, load("mnist_fashion", {"data.variant": "full"}, REPOSITORY), folder)
