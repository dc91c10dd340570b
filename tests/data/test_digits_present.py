"""Composed images hold what their labels say, and no digit is in two splits."""

import numpy as np

from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared
from pipeline.data.sources import SOURCES

from .files import experiment, mnist_arrays, place, quiet, write_mnist


def test_what_is_seen_in_the_cells_is_what_the_labels_say(tmp_path):
    arrays = mnist_arrays(train=60, test=30)
    write_mnist(tmp_path / "MNIST" / "raw", arrays)
    examples = SOURCES["digits_present"].read(place(tmp_path, root=tmp_path), quiet)
    assert examples.classes == {"present": list("0123456789"), "sum": [], "count": list("01234")}
    for part, stem in ((examples.train, "train"), (examples.test, "t10k")):
        assert part is not None
        images, digits = arrays[f"{stem}-images-idx3-ubyte"], arrays[f"{stem}-labels-idx1-ubyte"]
        assert part.inputs.shape == (len(images), 56, 56)
        known = {image.tobytes(): int(digit) for image, digit in zip(images, digits, strict=True)}
        for row, grid in enumerate(part.inputs):
            cells = [grid[top : top + 28, left : left + 28] for top in (0, 28) for left in (0, 28)]
            seen = [known[cell.tobytes()] for cell in cells if cell.any()]
            assert part.labels["count"][row] == len(seen)
            assert part.labels["sum"][row] == sum(seen)
            assert set(np.flatnonzero(part.labels["present"][row])) == set(seen)


def test_the_same_images_every_time_and_other_ones_for_test(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw", mnist_arrays(train=30, test=30))
    one, two = (SOURCES["digits_present"].read(place(tmp_path, root=tmp_path), quiet) for _ in range(2))
    assert one.test is not None
    np.testing.assert_array_equal(one.train.inputs, two.train.inputs)
    assert (one.train.labels["count"] != one.test.labels["count"]).any()


def test_train_and_validation_share_no_digit(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw", mnist_arrays(train=200, test=20))
    (out := tmp_path / "out").mkdir()
    tasks = {"count": {"kind": "multiclass", "source": "digits_present"}}
    prepare(experiment(tasks, variant="full"), place(tmp_path, root=tmp_path), out, quiet)
    seen = {}
    for split in ("train", "validation"):
        grids = open_prepared(out).split(split).inputs["digits_present"].reshape(-1, 56, 56)
        cells = [grid[top : top + 28, left : left + 28] for grid in grids for top in (0, 28) for left in (0, 28)]
        seen[split] = {cell.tobytes() for cell in cells if cell.any()}
    assert min(map(len, seen.values())) >= 15
    assert not seen["train"] & seen["validation"]
