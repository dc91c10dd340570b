"""Two overlapping images are where and what their labels say, and no image is in two splits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared, open_split
from pipeline.data.sources import SOURCES, Examples, Part

from .files import experiment, mnist_arrays, place, quiet, write_mnist

FOLDERS = {
    "multi_mnist": ("MNIST", "MNIST"),
    "multi_fashion": ("FashionMNIST", "FashionMNIST"),
    "fashion_and_mnist": ("MNIST", "FashionMNIST"),
}
STEMS = {"train": "train", "test": "t10k"}


def written(root: Path, digits: int = 300, garments: int = 300) -> dict[str, dict[str, np.ndarray]]:
    """Both data sets, of images that are different in every corner."""
    sets = {"MNIST": mnist_arrays(digits, 60), "FashionMNIST": mnist_arrays(garments, 60)}
    for stem in STEMS.values():
        sets["FashionMNIST"][f"{stem}-images-idx3-ubyte"] ^= 85
        sets["FashionMNIST"][f"{stem}-labels-idx1-ubyte"][:] = (
            sets["FashionMNIST"][f"{stem}-labels-idx1-ubyte"] + 3
        ) % 10
    for folder, arrays in sets.items():
        write_mnist(root / folder / "raw", arrays)
    return sets


def read(root: Path, name: str) -> Examples:
    return SOURCES[name].read(place(root, root=root), quiet)


def alone(images: np.ndarray, offset: int) -> np.ndarray:
    """What each image alone on the canvas comes to, as Pillow resizes."""
    canvas = np.zeros((len(images), 36, 36), np.uint8)
    canvas[:, offset : offset + 28, offset : offset + 28] = images
    nearest = Image.Resampling.NEAREST
    return np.stack([np.asarray(Image.fromarray(it).resize((28, 28), nearest)) for it in canvas])


def recognised(composed: np.ndarray, left: np.ndarray, right: np.ndarray) -> list[tuple[int, int]]:
    """The numbers of the two images in each, by the corners in which there is one only."""
    top = {it[:4, :4].tobytes(): number for number, it in enumerate(alone(left, 0))}
    bottom = {it[-4:, -4:].tobytes(): number for number, it in enumerate(alone(right, 6))}
    return [(top[it[:4, :4].tobytes()], bottom[it[-4:, -4:].tobytes()]) for it in composed]


@pytest.mark.parametrize("name", FOLDERS)
def test_one_image_is_at_the_top_left_and_one_at_the_bottom_right_and_the_larger_value_counts(name, tmp_path):
    sets = written(tmp_path)
    examples = read(tmp_path, name)
    for split, stem in STEMS.items():
        part: Part = getattr(examples, split)
        first, second = (sets[folder] for folder in FOLDERS[name])
        left, right = first[f"{stem}-images-idx3-ubyte"], second[f"{stem}-images-idx3-ubyte"]
        pairs = recognised(part.inputs, left, right)
        ones, others = np.array(pairs).T
        assert part.inputs.dtype == np.uint8
        np.testing.assert_array_equal(part.inputs, np.maximum(alone(left, 0)[ones], alone(right, 6)[others]))
        assert sorted(ones) == list(range(len(left)))
        assert (ones != others).all()
        by_place = [*part.labels.values()]
        np.testing.assert_array_equal(by_place[0], first[f"{stem}-labels-idx1-ubyte"][ones])
        np.testing.assert_array_equal(by_place[1], second[f"{stem}-labels-idx1-ubyte"][others])


def test_the_questions_have_the_names_and_classes_of_the_data_sets(tmp_path):
    written(tmp_path)
    digits = list("0123456789")
    assert read(tmp_path, "multi_mnist").classes == {"left": digits, "right": digits}
    found = read(tmp_path, "fashion_and_mnist")
    assert list(found.classes) == ["digit", "garment"]
    assert (found.classes["digit"], found.classes["garment"][0]) == (digits, "t-shirt")
    assert found.scale == 255.0
    assert list(read(tmp_path, "multi_fashion").classes["right"]) == found.classes["garment"]


def test_the_smaller_data_set_says_how_many_images_there_are(tmp_path):
    written(tmp_path, digits=90, garments=40)
    assert len(read(tmp_path, "fashion_and_mnist").train.inputs) == 40


def test_the_same_images_every_time_and_other_pairs_for_other_data(tmp_path):
    written(tmp_path)
    one, two = (read(tmp_path, "multi_mnist") for _ in range(2))
    np.testing.assert_array_equal(one.train.inputs, two.train.inputs)
    np.testing.assert_array_equal(one.train.group, two.train.group)
    mixed = read(tmp_path, "fashion_and_mnist")
    assert (mixed.train.labels["digit"] != one.train.labels["left"]).any()


def test_no_image_is_in_two_splits(tmp_path):
    sets = written(tmp_path)
    tasks = {name: {"kind": "multiclass", "source": "multi_mnist"} for name in ("left", "right")}
    (out := tmp_path / "out").mkdir()
    prepare(experiment(tasks, variant="full"), place(tmp_path, root=tmp_path), out, quiet)
    images = np.concatenate([sets["MNIST"][f"{stem}-images-idx3-ubyte"] for stem in STEMS.values()])
    seen = {}
    for split, rows in (("train", 260), ("validation", 40), ("test", 60)):
        inputs = open_split(open_prepared(out), split).inputs["multi_mnist"].reshape(-1, 28, 28)
        assert len(inputs) == pytest.approx(rows, abs=20)
        seen[split] = {number for pair in recognised(inputs, images, images) for number in pair}
    assert len(seen["train"] | seen["validation"] | seen["test"]) == 360
    assert sum(map(len, seen.values())) == 360


def test_data_count_by_folder_and_file(tmp_path):
    written(tmp_path)
    found = SOURCES["fashion_and_mnist"].fingerprint(place(tmp_path, root=tmp_path))
    assert len(found.checksums) == 8
    assert {name.partition("/")[0] for name in found.checksums} == {"MNIST", "FashionMNIST"}
    assert all(note.startswith(("MNIST: unofficial", "FashionMNIST: unofficial")) for note in found.notes)
    assert len(SOURCES["multi_mnist"].fingerprint(place(tmp_path, root=tmp_path)).checksums) == 4
