"""Parquet files of rows to score: the same rows whatever the row groups, types and ways through memory."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.tables import parquet
from pipeline.data.tables.records import open_pixels
from pipeline.errors import Failure, UserError

VALUES = np.random.default_rng(0).integers(0, 256, (10_000, 6)).astype(np.float64)


def read(path: Path, sizes: list[int] | None = None) -> np.ndarray:
    return np.concatenate([batch.frame.to_numpy() for batch in open_pixels(path, sizes or [6]).batches])


def table(values: np.ndarray = VALUES) -> pa.Table:
    return pa.table({f"pixel_{i}": column for i, column in enumerate(values.T)})


def written(folder: Path, content: pa.Table, rows_a_group: int | None = None) -> Path:
    path = folder / "rows.parquet"
    pq.write_table(content, path, row_group_size=rows_a_group)
    return path


@pytest.mark.parametrize("rows_a_group", [700, 4096, 10_000])
@pytest.mark.parametrize("held", [1 << 25, 20_000, 1])
def test_rows_are_the_same_whatever_is_held_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_a_group: int, held: int
) -> None:
    monkeypatch.setattr(parquet, "_HELD", held)
    rows = open_pixels(written(tmp_path, table(), rows_a_group), [6])
    batches = list(rows.batches)
    assert rows.total == len(VALUES)
    assert max(len(batch.frame.to_numpy()) for batch in batches) <= 8192
    np.testing.assert_array_equal(np.concatenate([batch.frame.to_numpy() for batch in batches]), VALUES)


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "float64", "bool"])
def test_any_numbers_are_read(tmp_path: Path, kind: str) -> None:
    values = (VALUES[:50] % 2).astype(kind)
    np.testing.assert_array_equal(read(written(tmp_path, table(values))), VALUES[:50] % 2)


def test_decimals_are_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, pa.table({"pixel_0": [Decimal("1.5"), Decimal("2.25")]}))
    assert read(path, [1]).tolist() == [[1.5], [2.25]]


def test_columns_are_found_by_name_among_others(tmp_path: Path) -> None:
    columns = {f"pixel_{i}": VALUES[:5, i] for i in (5, 2, 0, 1, 4, 3)}
    nested = pa.array([{"a": 1, "b": 2}] * 5)
    path = written(tmp_path, pa.table({"id": list("abcde"), "more": nested} | columns))
    assert open_pixels(path, [6]).columns.others == ["id", "more"]
    np.testing.assert_array_equal(read(path), VALUES[:5])


def change(name: str, column: pa.Array) -> Callable[[pa.Table], pa.Table]:
    return lambda whole: whole.set_column(whole.schema.get_field_index(name), name, column)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda t: t.drop(["pixel_2"]), "missing 'pixel_2' (the model reads pixel_0 to pixel_5)"),
        (lambda t: t.append_column("pixel_6", t["pixel_0"]), "unexpected 'pixel_6'"),
        (lambda t: t.append_column("pixel_1", t["pixel_0"]), "'pixel_1' there twice"),
        (lambda t: t.select([]).append_column("x", t["pixel_0"]), "no column of pixels"),
        (change("pixel_3", pa.array(["seven"] * 10_000)), "row 1, column 'pixel_3': 'seven' is no number"),
        (change("pixel_3", pa.array([1.0] * 7000 + [None] * 3000)), "row 7001, column 'pixel_3': a value is missing"),
        (change("pixel_0", pa.array([True] * 9999 + [None])), "row 10000, column 'pixel_0'"),
        (change("pixel_5", pa.array([1.0] * 9999 + [np.inf])), "row 10000, column 'pixel_5': a value is missing or no"),
        (
            change("pixel_5", pa.array([1.0] * 9998 + [1e39, 1.0])),
            "row 9999, column 'pixel_5': a value is missing or no",
        ),
        (lambda t: t.slice(0, 0), "no rows"),
    ],
)
@pytest.mark.parametrize("held", [1 << 25, 1])
def test_a_wrong_table_is_one_line_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: Callable[[pa.Table], pa.Table], message: str, held: int
) -> None:
    monkeypatch.setattr(parquet, "_HELD", held)
    with pytest.raises(UserError) as caught:
        read(written(tmp_path, changed(table())))
    assert message in str(caught.value)
    assert "rows.parquet" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b"PAR1", lambda b: b[:-20], lambda b: b"pixel_0\n1\n" * 9])
def test_a_file_that_is_no_parquet_is_one_line(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = written(tmp_path, table())
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match=r"rows\.parquet: cannot be read as Parquet") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_page_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, table())
    content = bytearray(path.read_bytes())
    content[4:4000] = bytes(3996)
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read(path)


def test_a_disk_too_small_for_the_scratch_file_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_HELD", 1)
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(parquet.tempfile, "TemporaryFile", lambda: full)
        with pytest.raises(Failure, match=r"no scratch file in .* \(No space left on device\): set TMPDIR"):
            read(written(tmp_path, table()))
