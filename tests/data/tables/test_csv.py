"""CSV files of rows to score: read by name, in blocks, with the place of what is wrong."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.tables import typed
from pipeline.data.tables.records import open_pixels
from pipeline.errors import UserError

HEADER = b"pixel_0,pixel_1\n"


def read(path: Path, sizes: list[int] | None = None) -> np.ndarray:
    return np.concatenate([batch.frame.to_numpy() for batch in open_pixels(path, sizes or [2]).batches])


def written(folder: Path, content: bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        HEADER + b"1,2\n3.5,-4e2\n",
        HEADER + b"1,2\n3.5,-4e2",
        HEADER + b"\r\n1,2\r\n\r\n3.5,-4e2\r\n",
        b"\xef\xbb\xbf" + HEADER + b"1,2\n3.5,-4e2\n",
        b'"pixel_0","pixel_1"\n"1"," 2"\n"3.5","-4e2"\n',
        b"pixel_1,name,pixel_0\n2,\xe9,1\n-400,,3.5\n",
    ],
)
def test_rows_are_read_by_the_names_of_their_columns(tmp_path: Path, content: bytes) -> None:
    assert read(written(tmp_path, content)).tolist() == [[1.0, 2.0], [3.5, -400.0]]


def test_a_gzipped_file_reads_like_a_plain_one(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(HEADER + b"1,2\n"), "rows.csv.gz")
    assert read(path).tolist() == [[1.0, 2.0]]


def test_other_columns_are_told_and_ignored(tmp_path: Path) -> None:
    rows = open_pixels(written(tmp_path, b"id,pixel_0,pixel_1,label\na,1,2,x\n"), [2])
    assert (rows.columns.others, rows.total) == (["id", "label"], None)
    assert next(rows.batches).frame.to_numpy().tolist() == [[1.0, 2.0]]


def test_the_size_nearest_to_the_files_is_chosen(tmp_path: Path) -> None:
    assert read(written(tmp_path, HEADER + b"1,2\n"), [2, 9]).shape == (1, 2)


def test_blocks_are_joined_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed, "_BLOCK", 128)
    lines = "".join(f"{i},{-i}\n" for i in range(5000))
    values = read(written(tmp_path, HEADER + lines.encode()))
    assert (values == np.stack([np.arange(5000), -np.arange(5000)], 1)).all()


MANY = b"1,2\n" * 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (HEADER.decode().encode("utf-16"), "is UTF-16 or UTF-32; save the file as UTF-8"),
        (HEADER, "no rows"),
        (b"pixel_0\n1\n", "missing 'pixel_1' (the model reads pixel_0 to pixel_1)"),
        (b"pixel_0,pixel_1,pixel_2,pixel_9\n1,2,3,4\n", "unexpected 'pixel_2', 'pixel_9'"),
        (b"pixel_0,pixel_1,pixel_1\n1,2,3\n", "column 'pixel_1' can be neither input nor label: there twice"),
        (b"1,2\n3,4\n", "no column of pixels (the model reads pixel_0 to pixel_1); the columns are '1', '2'"),
        (b"pixel_0;pixel_1\n1;2\n", "the columns are 'pixel_0;pixel_1'"),
        (HEADER + b"1,2\n3\n", "row 2: Expected 2 columns, got 1"),
        (HEADER + MANY + b"3,4,5\n", "row 301: Expected 2 columns, got 3"),
        (HEADER + MANY + b"3,x\n", "row 301, column 'pixel_1': 'x' is no number"),
        (b"name,pixel_1,pixel_0\na,1,2\nb,oops,3\n", "row 2, column 'pixel_1': 'oops' is no number"),
        (b"name,pixel_1,pixel_0\na,1,2\nb,3,oops\n", "row 2, column 'pixel_0': 'oops' is no number"),
        (b"pixel_1,pixel_0\n1,2\noops,3\n", "row 2, column 'pixel_1': 'oops' is no number"),
        (HEADER + MANY + b"3,\n", "row 301, column 'pixel_1': a value is missing or no finite number (found nan)"),
        (HEADER + b"3,4\n-inf,2\n", "row 2, column 'pixel_0': a value is missing or no finite number (found -inf)"),
        (HEADER + b"1e39,2\n", "row 1, column 'pixel_0'"),
        (HEADER + b"1,\xe9\n", "row 1, column 'pixel_1'"),
        (b"pixel_0,pixel_1,n\xe9\n1,2,3\n", "the first line is not UTF-8; save the file as UTF-8"),
        ("pixel_0,pixel_1\n1,2\n".encode("utf-16"), "rows.csv: "),
        (b"\x00\x01\x93NUMPY" * 40, "cannot be read as CSV"),
        (HEADER + b'"1,2\n3,4\n', "row 1: Expected 2 columns, got 1"),
    ],
)
def test_a_wrong_file_is_one_line_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setattr(typed, "_BLOCK", 256)
    with pytest.raises(UserError) as caught:
        read(written(tmp_path, content))
    assert message in str(caught.value)
    assert "rows.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_longer_than_a_block_may_stand_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed, "_BLOCK", 256)
    monkeypatch.setattr(typed, "_OF_COLUMN", 1)
    texts = [("x" * 5000 if row in (0, 150, 290) else "x") + str(row) for row in range(300)]
    for first in (0, 1):  # a long line among the first ones, and none
        path = written(tmp_path, ("text\n" + "\n".join(texts[first:]) + "\n").encode())
        batches = typed.open_table(path).batches({"text": pa.string()})
        assert [it for batch in batches for it in batch.column(0).to_pylist()] == texts[first:]
    monkeypatch.setattr(typed, "_LINE", 1024)
    with pytest.raises(UserError, match="a row is longer than 0 MiB: is a quote in it not closed"):
        list(typed.open_table(path).batches({"text": pa.string()}))


@pytest.mark.parametrize(
    "content",
    [HEADER + b"1,2\n", gzip.compress(HEADER + b"1,2\n" * 9000)[:-12], b""],
    ids=["not gzip", "truncated", "empty"],
)
def test_a_broken_gzip_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=r"rows\.csv\.gz: (cannot be read|is empty)"):
        read(written(tmp_path, content, "rows.csv.gz"))
