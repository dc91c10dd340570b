import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, checksum, open_prepared

from .files import experiment, place, quiet

TASKS = {
    "digit": {"kind": "multiclass", "source": "digits"},
    "parity": {"kind": "binary", "source": "digits"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    out.mkdir()
    prepare(experiment(TASKS), place(tmp_path), out, quiet)
    return out


def test_splits_are_memory_maps_that_nothing_writes_back(folder):
    split = open_prepared(folder).split("train")
    assert isinstance(split.inputs["digits"], np.memmap)
    before = checksum(folder / "digits.train.inputs.npy")
    split.inputs["digits"][0, 0] = 99
    assert checksum(folder / "digits.train.inputs.npy") == before


@pytest.mark.parametrize("name", ["test", "trian"])
def test_only_train_and_validation_can_be_opened(folder, name):
    with pytest.raises(ValueError, match=f"split '{name}' cannot be opened here: only train and validation"):
        open_prepared(folder).split(name)


def test_a_view_of_some_tasks_keeps_their_order_and_sources(folder):
    view = open_prepared(folder).only({"parity": None})
    assert list(view.tasks) == ["parity"]
    assert list(view.sources) == ["digits"]
    assert list(view.split("train").labels) == ["parity"]
    assert list(open_prepared(folder).only(dict.fromkeys(["parity", "digit"])).tasks) == ["parity", "digit"]


def test_sources_know_their_features(folder):
    opened: Prepared = open_prepared(folder)
    assert opened.sources["digits"].features == 64 == opened.split("train").inputs["digits"].shape[1]


def test_every_file_of_the_folder_has_its_checksum_in_the_manifest(folder):
    names = {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert set(json.loads((folder / "manifest.json").read_text())["files"]) == names
