"""Parquet files as databases write them: types that are no inputs, folders of keys, parts that differ."""

import datetime
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.tables.typed import open_table
from pipeline.errors import UserError

DAY = datetime.datetime(2024, 1, 31, 12, 30)
ODD = {
    "list": pa.array([[1.0], [2.0, 3.0]]),
    "struct": pa.array([{"day": DAY}, None]),
    "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    "bytes": pa.array([b"\xff", b"a"]),
    "fixed": pa.array([b"ab", b"cd"], pa.binary(2)),
    "duration": pa.array([datetime.timedelta(hours=1), None]),
    "clock": pa.array([datetime.time(12, 30), None]),
    "dates": pa.array([[DAY.date()], None]),
}
FIT = {
    "decimal": (pa.array([decimal.Decimal("1.50"), None]), pa.float64(), [1.5, None]),
    "half": (pa.array([1.5, 2.0], pa.float16()), pa.float64(), [1.5, 2.0]),
    "unsigned": (pa.array([1, 2], pa.uint64()), pa.float64(), [1.0, 2.0]),
    "null": (pa.nulls(2), pa.string(), [None, None]),
    "coded": (pa.array(["x", "y"]).dictionary_encode(), pa.string(), ["x", "y"]),
    "coded numbers": (pa.array([1.5, 2.5]).dictionary_encode(), pa.float64(), [1.5, 2.5]),
    "day": (pa.array([DAY.date(), None]), pa.string(), ["2024-01-31", None]),
    "nanoseconds": (pa.array([DAY, None], pa.timestamp("ns")), pa.string(), ["2024-01-31 12:30:00.000000000", None]),
    "zone": (pa.array([DAY, None], pa.timestamp("ms", "Europe/Berlin")), pa.string(),
             ["2024-01-31 12:30:00.000Z", None]),
}  # fmt: skip


def column(path: Path, name: str, kind: pa.DataType) -> list[Any]:
    return [it for batch in open_table(path).batches({name: kind}) for it in batch.column(0).to_pylist()]


def part(folder: Path, **columns: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / "0.parquet")


def test_columns_of_other_types_are_told_and_are_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(ODD | {name: it for name, (it, _, _) in FIT.items()}), path)
    file = open_table(path)
    assert list(file.types) == list(FIT)
    assert list(file.unreadable) == list(ODD)
    assert file.unreadable["list"] == "list<element: double>, which is no number, text, date or truth value"
    for name, (_, kind, values) in FIT.items():
        assert column(path, name, kind) == values
    with pytest.raises(UserError, match=r"t.parquet: column 'bytes' can be neither input nor label: binary, which"):
        column(path, "bytes", pa.string())


def test_what_folders_say_is_typed_and_a_gap_is_a_gap(tmp_path: Path) -> None:
    for year, month, day, town, code, rate in (
        ("2023", "09", "2023-09-01", "S%C3%A3o Paulo", "01067", "0.5"),
        ("2024", "10", "2024-10-01", "a%3Db%2Fc", "10115", "2"),
        ("__HIVE_DEFAULT_PARTITION__", "__HIVE_DEFAULT_PARTITION__", "__HIVE_DEFAULT_PARTITION__",
         "__HIVE_DEFAULT_PARTITION__", "__HIVE_DEFAULT_PARTITION__", ""),
    ):  # fmt: skip
        part(tmp_path / f"year={year}" / f"month={month}" / f"day={day}" / f"town={town}" / f"code={code}"
             / f"rate={rate}", x=[1.0])  # fmt: skip
    assert open_table(tmp_path).types == {
        "x": pa.float64(), "year": pa.int64(), "month": pa.int64(), "day": pa.date32(), "town": pa.string(),
        "code": pa.string(), "rate": pa.float64(),
    }  # fmt: skip
    assert column(tmp_path, "year", pa.float64()) == [2023.0, 2024.0, None]
    assert column(tmp_path, "month", pa.float64()) == [9.0, 10.0, None]
    assert column(tmp_path, "day", pa.date32()) == [datetime.date(2023, 9, 1), datetime.date(2024, 10, 1), None]
    assert column(tmp_path, "town", pa.string()) == ["São Paulo", "a=b/c", None]
    assert column(tmp_path, "code", pa.string()) == ["01067", "10115", None]
    assert column(tmp_path, "rate", pa.float64()) == [0.5, 2.0, None]


def test_a_folder_says_more_than_a_column_of_its_name(tmp_path: Path) -> None:
    part(tmp_path / "region=north", region=["south"], x=[1.0])
    assert column(tmp_path, "region", pa.string()) == ["north"]


def test_parts_may_differ_in_how_values_are_stored(tmp_path: Path) -> None:
    part(tmp_path / "a", n=pa.array([], pa.null()), word=pa.array([], pa.null()), when=pa.array([], pa.date32()))
    part(tmp_path / "b", n=pa.array([1], pa.int32()), word=pa.array(["x"]).dictionary_encode(), when=[DAY])
    part(tmp_path / "c", n=[0.5], word=pa.array(["y"], pa.large_string()), when=[DAY])
    assert open_table(tmp_path).types == {"n": pa.float64(), "word": pa.string(), "when": pa.timestamp("us")}
    assert column(tmp_path, "n", pa.float64()) == [1.0, 0.5]
    assert column(tmp_path, "word", pa.string()) == ["x", "y"]


def test_what_parts_do_not_share_is_told_where_it_is_wanted(tmp_path: Path) -> None:
    part(tmp_path / "a", x=[1.0], own=["?"], mixed=[1])
    part(tmp_path / "b", x=[2.0], mixed=["one"], late=[1])
    file = open_table(tmp_path)
    assert list(file.types) == ["x"]
    assert column(tmp_path, "x", pa.float64()) == [1.0, 2.0]
    assert file.unreadable == {
        "own": "missing in b/0.parquet",
        "mixed": "int64 in a/0.parquet, string in b/0.parquet",
        "late": "missing in a/0.parquet",
    }


def test_parts_without_rows_say_nothing_of_columns(tmp_path: Path) -> None:
    part(tmp_path / "part-0", word=pa.array([], pa.float64()))
    part(tmp_path / "part-1", word=["a", None], more=[1, 2])
    file = open_table(tmp_path)
    assert (file.types, file.unreadable, file.rows) == ({"word": pa.string(), "more": pa.int64()}, {}, 2)
    assert column(tmp_path, "word", pa.string()) == ["a", None]
