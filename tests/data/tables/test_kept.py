"""Columns beside those that a model reads are kept as they are in the file."""

import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.tables.kept import Kept
from pipeline.data.tables.typed import TableFile, open_table
from pipeline.errors import UserError

CSV = 'id,x,note,"a,b"\n007,1,NA,\n1.50,2,"",null\n"",3," x ",true\n'


def csv(folder: Path) -> TableFile:
    path = folder / "rows.csv"
    path.write_text(CSV)
    return open_table(path)


def test_text_is_kept_to_the_letter_where_words_would_mark_gaps(tmp_path: Path) -> None:
    file = csv(tmp_path)
    kept = Kept.of(file.path, file, ["x"], None)
    assert kept.names == ["id", "note", "a,b"]
    found = kept.parts().take(3)
    assert {name: list(map(str, column)) for name, column in found.items()} == {
        "id": ["007", "1.50", "<NA>"], "note": ["NA", "<NA>", " x "], "a,b": ["<NA>", "null", "true"]
    }  # fmt: skip


def test_columns_that_are_asked_for_are_kept_in_that_order_inputs_among_them(tmp_path: Path) -> None:
    file = csv(tmp_path)
    found = Kept.of(file.path, file, ["x"], ["x", "id", "x"]).parts().take(3)
    assert list(found) == ["x", "id"]
    assert found["x"].tolist() == ["1", "2", "3"]
    assert list(Kept.of(file.path, file, ["x"], []).parts().take(3)) == []


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    day = datetime.date(2024, 1, 5)
    table = pa.table({"n": [1, None, 3], "day": [day, None, day], "yes": [True, None, False], "x": [0.5, 1.0, 1.5]})
    pq.write_table(table, tmp_path / "rows.parquet")
    file = open_table(tmp_path / "rows.parquet")
    found = Kept.of(file.path, file, ["x"], None).parts().take(3)
    assert pa.Table.from_pandas(found, preserve_index=False).replace_schema_metadata() == table.drop_columns("x")


def test_rows_may_be_taken_in_parts_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    pd.DataFrame({"id": range(30_000), "x": 0}).to_csv(path, index=False)
    parts = Kept.of(path, open_table(path), ["x"], None).parts()
    found = [it for rows in (1, 8191, 20_000, 1808) for it in parts.take(rows)["id"]]
    assert found == [str(it) for it in range(30_000)]


@pytest.mark.parametrize(
    ("asked", "why"),
    [(["ids"], "column 'ids' cannot be kept: the columns are 'id', 'x', 'note' and 1 more"), (["id", "a"], "'a'")],
)
def test_a_column_that_is_not_there_is_one_line(tmp_path: Path, asked: list[str], why: str) -> None:
    file = csv(tmp_path)
    with pytest.raises(UserError, match=why):
        Kept.of(file.path, file, ["x"], asked)


def test_an_input_without_columns_keeps_none(tmp_path: Path) -> None:
    assert len(Kept.of(tmp_path, None, [], None).parts().take(4)) == 4
    with pytest.raises(UserError, match="it has no columns to keep"):
        Kept.of(tmp_path, None, [], ["id"])
