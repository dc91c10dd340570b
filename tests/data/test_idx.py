import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.sources import idx
from pipeline.errors import UserError

from .files import idx_bytes, packed

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
WHOLE = idx_bytes(IMAGES)
ITEM = (28, 28)


def file(folder: Path, content: bytes, name: str = "images.gz") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def problem(path: Path, item: tuple[int, ...] = ITEM) -> str:
    with pytest.raises(UserError) as error:
        idx.read(path, item)
    line = str(error.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def header(*sizes: int) -> bytes:
    return struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes)


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("content", [WHOLE, packed(WHOLE)])
def test_raw_and_gzipped_are_told_apart_by_content(tmp_path, name, content):
    np.testing.assert_array_equal(idx.read(file(tmp_path, content, name), ITEM), IMAGES)


def test_labels_are_read_as_one_dimension(tmp_path):
    labels = np.arange(7, dtype=np.uint8)
    np.testing.assert_array_equal(idx.read(file(tmp_path, packed(idx_bytes(labels)))), labels)


def test_the_raw_file_comes_before_the_gzipped_one(tmp_path):
    file(tmp_path, b"", "images.gz")
    assert idx.find(tmp_path, "images").name == "images.gz"
    file(tmp_path, b"", "images")
    assert idx.find(tmp_path, "images").name == "images"


def test_a_missing_file_is_named_with_its_folder(tmp_path):
    with pytest.raises(UserError, match=f"neither images nor images.gz in {tmp_path}"):
        idx.find(tmp_path, "images")


@pytest.mark.parametrize("cut", [0, 3, 10])
@pytest.mark.parametrize("gzipped", [False, True])
def test_a_file_without_a_whole_header_is_truncated(tmp_path, cut, gzipped):
    content = packed(WHOLE[:cut]) if gzipped else WHOLE[:cut]
    assert f"truncated, {cut} bytes hold no IDX header" in problem(file(tmp_path, content))


def test_a_truncated_raw_file_says_how_much_is_missing(tmp_path):
    line = problem(file(tmp_path, WHOLE[:-100]))
    assert "truncated" in line
    assert str(IMAGES.size) in line


@pytest.mark.parametrize("keep", [5, 20, 1000, -1, -9])
def test_a_truncated_gzip_file_is_an_error(tmp_path, keep):
    assert "truncated" in problem(file(tmp_path, packed(WHOLE)[:keep]))


def test_a_gzip_file_that_ends_early_by_itself_is_truncated(tmp_path):
    assert "truncated" in problem(file(tmp_path, packed(WHOLE[:-100])))


@pytest.mark.parametrize("where", [12, 2000, -8, -3])
def test_a_corrupted_gzip_file_is_an_error(tmp_path, where):
    content = bytearray(packed(WHOLE))
    content[where] ^= 0xFF
    problem(file(tmp_path, bytes(content)))


def test_a_gzip_file_with_something_behind_it_is_corrupted(tmp_path):
    assert "corrupted" in problem(file(tmp_path, packed(WHOLE) + b"tail"))


@pytest.mark.parametrize("gzipped", [False, True])
def test_more_than_the_header_promises_is_too_long(tmp_path, gzipped):
    content = WHOLE + b"x"
    assert "too long" in problem(file(tmp_path, packed(content) if gzipped else content))


@pytest.mark.parametrize("magic", [b"\x00\x00\x08\x01", b"\x00\x00\x0d\x03", b"<htm", b"PK\x03\x04"])
def test_a_wrong_magic_number_is_shown_beside_the_right_one(tmp_path, magic):
    line = problem(file(tmp_path, magic + WHOLE[4:]))
    assert magic.hex() in line
    assert "00000803" in line


def test_items_of_another_shape_are_refused(tmp_path):
    path = file(tmp_path, packed(idx_bytes(np.zeros((2, 8, 9), np.uint8))))
    assert "items are 28 x 28, found 8 x 9" in problem(path)


def test_an_empty_set_is_refused(tmp_path):
    assert "empty" in problem(file(tmp_path, packed(header(0, 28, 28))))
    assert "empty" in problem(file(tmp_path, packed(header(0))), ())


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("count", [2**20, 2**32 - 1])
def test_a_header_that_promises_too_much_takes_no_memory(tmp_path, gzipped, count):
    content = header(count, 28, 28) + bytes(1000)
    path = file(tmp_path, packed(content) if gzipped else content)
    tracemalloc.start()
    line = problem(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "promises" in line
    assert peak < 2**20


def test_a_gzip_bomb_takes_no_more_memory_than_its_header_promises(tmp_path):
    path = file(tmp_path, packed(header(10) + bytes(50_000_000)))
    tracemalloc.start()
    assert "too long" in problem(path, ())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path):
    (tmp_path / "images.gz").mkdir()
    problem(tmp_path / "images.gz")
    with pytest.raises(UserError, match="cannot be read"):
        idx.checksum(tmp_path / "images.gz")


def test_checksums_are_those_of_hashlib(tmp_path):
    path = file(tmp_path, b"abc")
    assert idx.checksum(path).startswith("ba7816bf")
    assert idx.checksum(path, "md5") == "900150983cd24fb0d6963f7d28e17f72"
