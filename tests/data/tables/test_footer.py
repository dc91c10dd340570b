"""A footer that is cut between its row groups describes the same file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.tables import footer
from pipeline.data.tables.footer import row_group_metadata
from pipeline.data.tables.records import open_pixels
from pipeline.errors import UserError

COUNT = 1003
TABLE = pa.table(
    {f"pixel_{i}": np.arange(COUNT) * (i + 1.5) for i in range(20)}
    | {
        "name": [f"row {i}" for i in range(COUNT)],
        "nested": [{"a": [i, i + 1], "b": {"c": i % 2 == 0}} for i in range(COUNT)],
        "time": [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=i) for i in range(COUNT)],
    }
)
OPTIONS = {
    "plain": {},
    "no statistics": {"write_statistics": False},
    "page index": {"write_page_index": True},
    "old": {"version": "1.0", "data_page_version": "2.0", "compression": "gzip"},
    "sorted": {"sorting_columns": [pq.SortingColumn(0)]},
}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footer, "_LARGEST", 0)
    monkeypatch.setattr(footer, "_PIECE", 10_000)


def written(path: Path, rows_a_group: int = 100, table: pa.Table = TABLE, **options: object) -> Path:
    pq.write_table(table, path, row_group_size=rows_a_group, **options)
    return path


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("rows_a_group", [7, 100, 2000])
def test_the_pieces_hold_every_row_group_once_and_in_order(tmp_path: Path, options: str, rows_a_group: int) -> None:
    path = written(tmp_path / "rows.parquet", rows_a_group, **OPTIONS[options])
    whole = pq.read_metadata(path)
    pieces = list(row_group_metadata(path))
    assert len(pieces) > 1 or whole.num_row_groups == 1
    groups = [piece.row_group(g).to_dict() for piece in pieces for g in range(piece.num_row_groups)]
    assert groups == [whole.row_group(g).to_dict() for g in range(whole.num_row_groups)]
    assert all(piece.num_rows == whole.num_rows and piece.schema.equals(whole.schema) for piece in pieces)
    assert all(piece.metadata == whole.metadata for piece in pieces)


def test_a_footer_that_is_small_enough_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footer, "_LARGEST", 1 << 22)
    path = written(tmp_path / "rows.parquet")
    (piece,) = row_group_metadata(path)
    assert piece.equals(pq.read_metadata(path))


def test_rows_read_by_pieces_are_the_files(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.parquet")
    rows = open_pixels(path, [20])
    values = np.concatenate([batch.frame.to_numpy() for batch in rows.batches])
    assert rows.total == COUNT
    np.testing.assert_array_equal(values, TABLE.select([f"pixel_{i}" for i in range(20)]).to_pandas())


def test_a_file_without_row_groups_has_one_empty_piece(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.ParquetWriter(path, TABLE.schema).close()
    (piece,) = row_group_metadata(path)
    assert (piece.num_row_groups, piece.schema.equals(pq.read_metadata(path).schema)) == (0, True)


@pytest.mark.parametrize("filler", [b"\x00", b"\x19", b"\x8c", b"\xff"])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_a_damaged_footer_is_one_line(tmp_path: Path, filler: bytes, share: float) -> None:
    path = written(tmp_path / "rows.parquet")
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    first = len(content) - 8 - int(length * (1 - share))
    path.write_bytes(content[:first] + filler * (len(content) - 8 - first) + content[-8:])
    with pytest.raises(UserError, match="cannot be read as Parquet") as caught:
        list(open_pixels(path, [20]).batches)
    assert "\n" not in str(caught.value)
