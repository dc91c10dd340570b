import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.sources import SOURCES, Place
from pipeline.data.sources.mnist import FASHION_MNIST, MNIST, MnistLike
from pipeline.errors import Failure, UserError

from .files import idx_bytes, mnist_arrays, packed, place, quiet, write_mnist
from .mirror import Mirror, serving

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "experiments" / "data"
REAL = REPOSITORY.parent / "shared" / "data"
real = pytest.mark.skipif(not (REAL / "MNIST" / "raw").is_dir(), reason="the full data sets are not here")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def served(arrays: dict[str, np.ndarray]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Files as a mirror has them, and the md5 by stem."""
    files = {f"{stem}.gz": packed(idx_bytes(array)) for stem, array in arrays.items()}
    return files, {stem: hashlib.md5(files[f"{stem}.gz"]).hexdigest() for stem in arrays}


def small(md5: dict[str, str], *mirrors: str) -> MnistLike:
    """MNIST with other files."""
    return dataclasses.replace(MNIST, md5=md5, mirrors=mirrors or None)


def refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> str:
    write_mnist(tmp_path / "root" / "MNIST" / "raw", arrays)
    with pytest.raises(UserError) as error:
        MNIST.read(place(tmp_path, root=tmp_path / "root"), quiet)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("source", [MNIST, FASHION_MNIST])
def test_files_and_checksums_are_torchvisions(source):
    import torchvision.datasets

    resources = getattr(torchvision.datasets, source.folder).resources
    assert dict(resources) == {f"{stem}.gz": md5 for stem, md5 in source.md5.items()}


@pytest.mark.parametrize(("source", "first"), [(MNIST, 5), (FASHION_MNIST, 9)])
def test_the_sample_that_ships_is_whole(source, first):
    examples = source.read(Place("sample", SHIPPED, None, SHIPPED), quiet)
    assert examples.train.inputs.shape == (6000, 28, 28)
    assert examples.test.inputs.shape == (1000, 28, 28)
    assert examples.train.labels[source.label][0] == first
    assert sorted(np.unique(examples.test.labels[source.label])) == list(range(10))
    assert len(examples.classes[source.label]) == 10
    assert source.fingerprint(Place("sample", SHIPPED, None, SHIPPED)).notes == []


def test_raw_and_gzipped_folders_hold_the_same_examples(tmp_path):
    for name, gzipped in (("raw", False), ("gz", True)):
        write_mnist(tmp_path / name / "MNIST" / "raw", mnist_arrays(), gzipped)
    raw, gz = (MNIST.read(place(tmp_path, root=tmp_path / name), quiet) for name in ("raw", "gz"))
    np.testing.assert_array_equal(raw.train.inputs, gz.train.inputs)
    np.testing.assert_array_equal(raw.test.labels["digit"], gz.test.labels["digit"])


def test_a_root_is_only_read(tmp_path):
    root = tmp_path / "root"
    write_mnist(root / "MNIST" / "raw", mnist_arrays())
    before = {path: path.stat() for path in sorted(root.rglob("*"))}
    os.chmod(root / "MNIST" / "raw", 0o555)
    MNIST.fingerprint(place(tmp_path, root=root))
    MNIST.read(place(tmp_path, root=root), quiet)
    assert sorted(root.rglob("*")) == list(before)
    assert [path.stat().st_mtime_ns for path in before] == [stat.st_mtime_ns for stat in before.values()]
    assert not (tmp_path / "downloads").exists()


def test_unofficial_files_are_noted_and_their_sha256_recorded(tmp_path):
    raw = tmp_path / "root" / "MNIST" / "raw"
    write_mnist(raw, mnist_arrays())
    (raw / "t10k-labels-idx1-ubyte.gz").unlink()
    (raw / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(mnist_arrays()["t10k-labels-idx1-ubyte"]))
    fingerprint = MNIST.fingerprint(place(tmp_path, root=tmp_path / "root"))
    images = (raw / "train-images-idx3-ubyte.gz").read_bytes()
    assert fingerprint.checksums["train-images-idx3-ubyte"] == hashlib.sha256(images).hexdigest()
    unofficial, unpacked = fingerprint.notes
    assert "unofficial checksum" in unofficial
    assert "train-images-idx3-ubyte.gz" in unofficial
    assert unpacked.endswith(": t10k-labels-idx1-ubyte")


def test_official_files_are_not_noted(tmp_path):
    _, md5 = served(mnist_arrays())
    write_mnist(tmp_path / "root" / "MNIST" / "raw", mnist_arrays())
    assert small(md5).fingerprint(place(tmp_path, root=tmp_path / "root")).notes == []


def test_another_number_of_labels_than_images_names_both_files(tmp_path):
    arrays = mnist_arrays()
    arrays["train-labels-idx1-ubyte"] = arrays["train-labels-idx1-ubyte"][:-1]
    line = refused(tmp_path, arrays)
    assert "train-images-idx3-ubyte.gz has 40 images" in line
    assert "train-labels-idx1-ubyte.gz 39 labels" in line


def test_a_label_out_of_range_is_named_with_its_row(tmp_path):
    arrays = mnist_arrays()
    arrays["t10k-labels-idx1-ubyte"][7] = 10
    assert "t10k-labels-idx1-ubyte.gz: label 10 of row 7 is out of range 0 to 9" in refused(tmp_path, arrays)


def test_images_of_another_size_are_refused(tmp_path):
    arrays = mnist_arrays() | {"train-images-idx3-ubyte": np.zeros((40, 8, 8), np.uint8)}
    assert "items are 28 x 28, found 8 x 8" in refused(tmp_path, arrays)


def test_a_missing_file_or_folder_is_one_line_for_fingerprint_and_read(tmp_path):
    there = place(tmp_path, root=tmp_path / "nowhere")
    for answer in (MNIST.fingerprint, lambda where: MNIST.read(where, quiet)):
        with pytest.raises(UserError, match="missing data file: neither train-images-idx3-ubyte nor"):
            answer(there)


def test_a_download_is_read_and_kept_under_torchvisions_layout(tmp_path):
    files, md5 = served(mnist_arrays())
    with serving(Mirror(files)) as mirror:
        examples = small(md5, mirror.url).read(place(tmp_path), quiet)
        again = small(md5, mirror.url).read(place(tmp_path), quiet)
    assert len(mirror.asked) == 4
    assert sorted(path.name for path in (tmp_path / "downloads/MNIST/raw").glob("*.gz")) == sorted(files)
    np.testing.assert_array_equal(examples.train.inputs, mnist_arrays()["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(again.test.inputs, examples.test.inputs)


def test_torchvisions_mirrors_are_asked_where_none_are_given(tmp_path, monkeypatch):
    import torchvision.datasets

    files, md5 = served(mnist_arrays())
    with serving(Mirror(files)) as mirror:
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [mirror.url])
        assert len(small(md5).read(place(tmp_path), quiet).train.inputs) == 40


def test_a_fingerprint_is_the_same_before_and_after_the_download(tmp_path):
    files, md5 = served(mnist_arrays())
    with serving(Mirror(files)) as mirror:
        source = small(md5, mirror.url)
        before = source.fingerprint(place(tmp_path))
        source.read(place(tmp_path), quiet)
    assert source.fingerprint(place(tmp_path)) == before
    assert before.checksums["train-images-idx3-ubyte"] == f"md5:{md5['train-images-idx3-ubyte']}"


def test_a_download_that_fails_leaves_no_file(tmp_path):
    files, md5 = served(mnist_arrays())
    files["train-labels-idx1-ubyte.gz"] = b"no labels"
    with serving(Mirror(files)) as mirror, pytest.raises(Failure, match=r"train-labels-idx1-ubyte\.gz could not be"):
        small(md5, mirror.url).read(place(tmp_path), quiet)
    left = sorted(path.name for path in (tmp_path / "downloads/MNIST/raw").iterdir())
    assert left == ["download.lock", "train-images-idx3-ubyte.gz"]


def test_fingerprints_import_neither_torch_nor_torchvision():
    code = (
        "import sys; from pathlib import Path; from pipeline.data.sources import SOURCES, Place\n"
        "for variant in ('sample', 'full'):\n"
        "    for it in SOURCES.values(): it.fingerprint(Place(variant, Path('experiments/data'), None, Path('x')))\n"
        "print({'torch', 'torchvision', 'sklearn', 'mlflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@real
def test_the_full_data_sets_are_accepted_on_their_structure():
    full = Place("full", SHIPPED, REAL, SHIPPED)
    assert MNIST.fingerprint(full).notes == []
    assert "unofficial checksum" in FASHION_MNIST.fingerprint(full).notes[0]
    examples = MNIST.read(full, quiet)
    assert np.bincount(examples.train.labels["digit"]).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip
    assert examples.test.inputs.shape == (10000, 28, 28)


@real
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_sample_is_the_head_of_the_full_data_set(name):
    source = SOURCES[name]
    sample = source.read(Place("sample", SHIPPED, None, SHIPPED), quiet)
    full = source.read(Place("full", SHIPPED, REAL, SHIPPED), quiet)
    for split in ("train", "test"):
        some, all_ = getattr(sample, split), getattr(full, split)
        np.testing.assert_array_equal(some.inputs, all_.inputs[: len(some.inputs)])
        np.testing.assert_array_equal(some.labels[source.label], all_.labels[source.label][: len(some.inputs)])
