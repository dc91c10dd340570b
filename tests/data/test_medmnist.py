"""MedMNIST's layout, from a file and from a download."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import load
from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared, open_split
from pipeline.data.sources import source
from pipeline.errors import Failure, UserError
from tests.conftest import REPOSITORY

from .files import quiet
from .mirror import Mirror, serving
from .pictures import here, on

OWN = {"kind": "medmnist", "path": "set.npz"}
ROWS = {"train": 30, "val": 6, "test": 9}


def arrays(labels: int = 1, classes: int = 3, colours: bool = False, side: int = 5) -> dict[str, np.ndarray]:
    """What such a file holds: every class in turn, or labels at random."""
    rng = np.random.default_rng(0)
    found = {}
    for name, rows in ROWS.items():
        shape = (rows, side, side, 3) if colours else (rows, side, side)
        found[f"{name}_images"] = rng.integers(0, 256, shape, np.uint8)
        own = rng.integers(0, 2, (rows, labels)) if labels > 1 else np.arange(rows)[:, None] % classes
        found[f"{name}_labels"] = own.astype(np.uint8)
    return found


def read(folder: Path, found: dict[str, np.ndarray], **settings: Any) -> Any:
    np.savez_compressed(folder / "set.npz", **found)
    return source(on(OWN | settings), "own").read(here(folder), quiet)


def refused(folder: Path, found: dict[str, np.ndarray], **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, found, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def test_the_files_own_splits_are_kept(tmp_path: Path) -> None:
    found = arrays()
    examples = read(tmp_path, found, classes=["a", "b", "c"])
    pixels = np.concatenate(list(examples.train.inputs.chunks()))
    np.testing.assert_array_equal(pixels, np.concatenate([found["train_images"], found["val_images"]]))
    assert (examples.train.split == np.repeat([0, 1], [30, 6])).all()
    np.testing.assert_array_equal(examples.train.labels["class"][:4], [0, 1, 2, 0])
    np.testing.assert_array_equal(next(examples.test.inputs.chunks()), found["test_images"])
    assert len(examples.test.inputs) == 9
    assert (examples.classes, examples.scale) == ({"class": ["a", "b", "c"]}, 255.0)


def test_colours_come_first(tmp_path: Path) -> None:
    found = arrays(colours=True)
    examples = read(tmp_path, found)
    np.testing.assert_array_equal(next(examples.train.inputs.chunks()), found["train_images"].transpose(0, 3, 1, 2))


def test_several_labels_are_findings_and_whether_there_is_any(tmp_path: Path) -> None:
    found = arrays(labels=4)
    found["train_labels"][0] = 0
    examples = read(tmp_path, found)
    np.testing.assert_array_equal(examples.train.labels["findings"][:30], found["train_labels"])
    np.testing.assert_array_equal(examples.train.labels["any"][:30], found["train_labels"].any(1))
    assert examples.classes == {"findings": ["0", "1", "2", "3"], "any": ["none", "some"]}


def test_the_experiment_that_ships_prepares_a_file_of_that_layout(tmp_path: Path) -> None:
    found = arrays(labels=14, side=28)
    found["train_labels"][0] = 0  # one without any finding
    np.savez_compressed(tmp_path / "chestmnist.npz", **found)
    chest = load("chest", {"data.root": str(tmp_path)}, REPOSITORY)
    place = here(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    manifest = prepare(chest, place, out, quiet)
    assert manifest["sources"]["chest"]["rows"] == {"train": 30, "validation": 6, "test": 9}
    assert manifest["sources"]["chest"]["shape"] == [28, 28]
    assert manifest["tasks"]["findings"]["classes"][0] == "atelectasis"
    assert len(manifest["tasks"]["findings"]["classes"]) == 14
    split = open_split(open_prepared(out), "test")
    np.testing.assert_array_equal(split.labels["findings"], found["test_labels"])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"val_images": None}, "set.npz: no array 'val_images'; MedMNIST's layout is train_images, train_labels,"),
        ({"val_images": np.zeros((6, 4, 5), np.uint8)}, "set.npz: 'val_images' has images of 4 x 5, 'train_images'"),
        ({"val_images": np.zeros((6, 5, 5), np.int16)}, "set.npz: 'val_images' is int16 6 x 5 x 5; images are uint8"),
        ({"train_images": np.zeros((30, 5, 5, 5), np.uint8)}, "set.npz: 'train_images' is uint8 30 x 5 x 5 x 5; "),
        ({"test_labels": np.zeros((8, 1), np.uint8)}, "set.npz: 'test_labels' is 8 x 1; for 9 images it has"),
        ({"test_labels": np.zeros((9, 2), np.uint8)}, "set.npz: rows have 1 or 2 labels, not"),
        ({"test_labels": np.full((9, 1), -1)}, "set.npz: 'test_labels': row 1: label -1 is none from 0 to 9999"),
    ],
)  # fmt: skip
def test_what_is_not_of_that_layout_is_one_line(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    found = {name: it for name, it in (arrays() | change).items() if it is not None}
    assert refused(tmp_path, found).startswith(line)


def test_a_file_that_is_not_there_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"set\.npz: no such file: set data\.root to the folder .* or sources\.own\.path"
    ):
        source(on(OWN), "own").fingerprint(here(tmp_path))


def test_names_are_as_many_as_classes_or_findings(tmp_path: Path) -> None:
    assert refused(tmp_path, arrays(), classes=["a"]) == "sources.own.classes: 1 names, and set.npz has 3"
    assert "sources.own.classes: 3 names" in refused(tmp_path, arrays(labels=2), classes=["a", "b", "c"])
    found = arrays(labels=2)
    found["val_labels"][3, 1] = 2
    assert refused(tmp_path, found) == "set.npz: one of several labels is 2, neither 0 nor 1"


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package called as MedMNIST's, whose list names one set on a server of this machine."""
    np.savez_compressed(tmp_path / "served.npz", **arrays(labels=2))
    content = (tmp_path / "served.npz").read_bytes()
    with serving(Mirror({"toymnist.npz": content})) as mirror:
        about = {"url": f"{mirror.url}toymnist.npz?download=1", "MD5": hashlib.md5(content).hexdigest(),
                 "label": {"0": "left", "1": "right"}}  # fmt: skip
        package = tmp_path / "packages" / "medmnist"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('not needed')")
        (package / "info.py").write_text(f"INFO = {json.dumps({'toymnist': about})}")
        monkeypatch.syspath_prepend(package.parent)
        yield mirror, about


def test_a_set_is_downloaded_once_and_known_by_its_checksum(packaged: Any, tmp_path: Path) -> None:
    mirror, about = packaged
    own = source(on({"kind": "medmnist", "name": "toymnist"}), "own")
    before = own.fingerprint(here(tmp_path))
    assert before.checksums == {"toymnist.npz": f"md5:{about['MD5']}"}
    assert mirror.asked == []
    lines: list[str] = []
    for _ in range(2):
        found = own.read(here(tmp_path), lines.append)
    assert found.classes == {"findings": ["left", "right"], "any": ["none", "some"]}
    assert mirror.asked == [("toymnist.npz", None)]
    assert own.fingerprint(here(tmp_path)) == before
    assert (tmp_path / "kept" / "downloads" / "MedMNIST" / "toymnist.npz").is_file()


def test_a_set_that_arrives_with_another_checksum_is_a_failure(packaged: Any, tmp_path: Path) -> None:
    packaged[0].files["toymnist.npz"] = b"another file"
    with pytest.raises(Failure, match="wrong checksum"):
        source(on({"kind": "medmnist", "name": "toymnist"}), "own").read(here(tmp_path), quiet)


def test_a_set_that_is_none_of_theirs_is_answered_with_those_that_are(packaged: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sources\.own\.name: MedMNIST has no 'chest', only toymnist"):
        source(on({"kind": "medmnist", "name": "chest"}), "own").fingerprint(here(tmp_path))


def test_without_the_package_a_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Failure, match=r"need the package medmnist: pip install 'headway\[medmnist\]'"):
        source(on({"kind": "medmnist", "name": "chestmnist"}), "own").fingerprint(here(tmp_path))
