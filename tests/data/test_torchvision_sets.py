"""torchvision's sets: their own parts, labels and checksums, from folders that a test writes."""

import gzip
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets as sets
from PIL import Image

from pipeline.data.prepare import prepare
from pipeline.data.sources import source, torchvision_sets
from pipeline.errors import Failure, UserError

from .files import idx_bytes, mnist_arrays, quiet
from .pictures import draw, here, on

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 3, 32, 32), np.uint8)


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in CIFAR10's layout: six rows to train, three to test, under checksums of their own."""
    folder = tmp_path / "root" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    lists = {}
    for name, rows in (("data_batch_1", slice(0, 6)), ("test_batch", slice(6, 9))):
        content = {"data": PIXELS[rows].reshape(-1, 3072), "labels": list(range(9))[rows]}
        (folder / name).write_bytes(pickle.dumps(content))
        lists[name] = [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}))
    meta = sets.CIFAR10.meta | {"md5": hashlib.md5((folder / "batches.meta").read_bytes()).hexdigest()}
    monkeypatch.setattr(sets.CIFAR10, "train_list", [lists["data_batch_1"]])
    monkeypatch.setattr(sets.CIFAR10, "test_list", [lists["test_batch"]])
    monkeypatch.setattr(sets.CIFAR10, "meta", meta)
    return tmp_path


def own(**settings: Any) -> Any:
    return source(on({"kind": "torchvision", "dataset": "CIFAR10", "path": "root"} | settings), "own")


def refused(folder: Path, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        list(own(**settings).read(here(folder), quiet).train.inputs.chunks())
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def test_cifar_has_its_own_parts_and_classes(cifar: Path) -> None:
    found = own().read(here(cifar), quiet)
    np.testing.assert_array_equal(next(found.train.inputs.chunks()), PIXELS[:6])
    np.testing.assert_array_equal(next(found.test.inputs.chunks()), PIXELS[6:])
    np.testing.assert_array_equal(found.train.labels["class"], range(6))
    np.testing.assert_array_equal(found.test.labels["class"], [6, 7, 8])
    assert found.classes["class"][:2] == ["class 0", "class 1"]
    assert (found.train.split, found.scale, found.resized) == (None, 255.0, False)


def test_images_come_a_few_at_a_time_and_may_be_resized(cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_sets, "_BYTES", 4 * 3 * 16)
    found = own(size=[4, 4]).read(here(cifar), quiet)
    assert [chunk.shape for chunk in found.train.inputs.chunks()] == [(4, 3, 4, 4), (2, 3, 4, 4)]
    assert found.resized


def test_damaged_files_are_refused_before_they_are_unpickled(cifar: Path) -> None:
    path = cifar / "root" / "cifar-10-batches-py" / "data_batch_1"
    path.write_bytes(path.read_bytes() + b"x")
    assert refused(cifar).startswith("root: no CIFAR10 as torchvision reads it (Dataset not found or corrupted.")


def test_a_folder_is_known_by_its_files(cifar: Path) -> None:
    first = own().fingerprint(here(cifar))
    (cifar / "root" / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"other")
    assert own().fingerprint(here(cifar)) != first
    with pytest.raises(UserError, match="nowhere: no such folder"):
        own(path="nowhere").fingerprint(here(cifar))


def test_a_download_is_known_by_the_checksums_that_torchvision_has(tmp_path: Path) -> None:
    told = own(path=None).fingerprint(here(tmp_path))
    assert sets.CIFAR10.tgz_md5 in told.checksums["CIFAR10"]
    assert told.notes == []
    assert own(path=None, dataset="SVHN").fingerprint(here(tmp_path)) != told
    assert own(path=None, dataset="EuroSAT").fingerprint(here(tmp_path)).notes == [
        "torchvision has no checksum of EuroSAT: taken as it comes"
    ]


def test_a_download_that_fails_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(sets.cifar, "download_and_extract_archive", refuse)
    with pytest.raises(Failure, match=r"CIFAR10 could not be downloaded into .*: no network"):
        own(path=None).read(here(tmp_path), quiet)


def test_grey_sets_have_no_axis_of_channels(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "KMNIST" / "raw"
    folder.mkdir(parents=True)
    arrays = mnist_arrays(20, 10)
    for name, array in arrays.items():
        (folder / name).write_bytes(idx_bytes(array))
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    found = own(dataset="KMNIST").read(here(tmp_path), quiet)
    np.testing.assert_array_equal(next(found.train.inputs.chunks()), arrays["train-images-idx3-ubyte"])
    assert len(found.test.inputs) == 10


@pytest.mark.parametrize("name", ["SVHN"])
def test_labels_without_names_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import scipy.io

    (tmp_path / "root").mkdir()
    lists = {}
    for split, rows in (("train", slice(0, 6)), ("test", slice(6, 9))):
        path = tmp_path / "root" / f"{split}_32x32.mat"
        labels = np.arange(1, 10)[rows, None]
        scipy.io.savemat(path, {"X": PIXELS[rows].transpose(2, 3, 1, 0), "y": labels})
        lists[split] = ["", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(sets.SVHN, "split_list", lists)
    found = own(dataset=name).read(here(tmp_path), quiet)
    np.testing.assert_array_equal(next(found.test.inputs.chunks()), PIXELS[6:])
    np.testing.assert_array_equal(found.train.labels["class"], range(1, 7))
    assert found.classes["class"] == [str(digit) for digit in range(10)]


@pytest.fixture
def celeba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in CelebA's layout, with two attributes."""
    folder = tmp_path / "root" / "celeba"
    names = [f"{place:06}.jpg" for place in range(1, 9)]
    draw(folder / "img_align_celeba", names, (22, 18))
    values = [f"{name} {1 if place % 2 else -1} {1 if place < 5 else -1}" for place, name in enumerate(names)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(["8", "Smiling Young", *values]) + "\n")
    parts = [0, 0, 0, 0, 1, 1, 2, 2]
    lines = [f"{name} {part}" for name, part in zip(names, parts, strict=True)]
    (folder / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    for name, columns in (("identity_CelebA", 1), ("list_bbox_celeba", 4), ("list_landmarks_align_celeba", 10)):
        head = [] if columns == 1 else ["8", " ".join("abcdefghij"[:columns])]
        (folder / f"{name}.txt").write_text("\n".join([*head, *(f"{it}{' 1' * columns}" for it in names)]) + "\n")
    monkeypatch.setattr(sets.CelebA, "_check_integrity", lambda self: True)
    return tmp_path


def test_celebas_attributes_are_labels_at_once_in_its_own_three_parts(celeba: Path) -> None:
    out = celeba / "out"
    out.mkdir()
    settings = {"kind": "torchvision", "dataset": "CelebA", "path": "root"}
    manifest = prepare(on(settings, {"attributes": {"kind": "multilabel"}}), here(celeba), out, quiet)
    assert manifest["sources"]["own"]["rows"] == {"train": 4, "validation": 2, "test": 2}
    assert manifest["sources"]["own"]["shape"] == [3, 22, 18]
    assert manifest["tasks"]["attributes"]["classes"] == ["Smiling", "Young"]
    np.testing.assert_array_equal(np.load(out / "attributes.train.labels.npy"), [[0, 1], [1, 1], [0, 1], [1, 1]])


def test_images_of_different_size_are_named_with_the_way_out(celeba: Path) -> None:
    Image.new("RGB", (5, 6)).save(celeba / "root" / "celeba" / "img_align_celeba" / "000003.jpg")
    assert refused(celeba, dataset="CelebA") == (
        "source 'own': image 3 of CelebA has 6 x 5 pixels, the first has 22 x 18: "
        "set sources.own.size=[22,18] to resize all images"
    )


def test_a_broken_image_is_named(celeba: Path) -> None:
    (celeba / "root" / "celeba" / "img_align_celeba" / "000002.jpg").write_bytes(b"no image")
    assert refused(celeba, dataset="CelebA").startswith("source 'own': image 2 of CelebA: broken (cannot identify")


def test_an_unknown_set_is_answered_with_the_nearest_match(tmp_path: Path) -> None:
    assert refused(tmp_path, dataset="CIFAR11") == ("sources.own.dataset: unknown 'CIFAR11' (did you mean 'CIFAR10'?)")


@pytest.mark.parametrize("name", list(torchvision_sets.SETS))
def test_every_set_is_one_of_torchvisions_and_takes_what_it_is_asked(name: str) -> None:
    import inspect

    parameters = inspect.signature(getattr(sets, name).__init__).parameters
    assert "download" in parameters
    assert {key for options in torchvision_sets.SETS[name] for key in options or ()} <= set(parameters)
