"""What is a gap and what is a value: the same in every format."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.data.tables.typed import open_table
from pipeline.errors import UserError

TEXT, NUMBER = pa.string(), pa.float64()
ROWS = 60


def read(path: Path, missing: list[str] | None = None, **wanted: pa.DataType) -> dict[str, list[Any]]:
    table = pa.Table.from_batches(open_table(path, missing=missing).batches(wanted))
    return table.to_pydict()


def written(folder: Path, content: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(content)
    return folder / name


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (None, [None, "NA", None, None, "null", "?", "?", None, None]),
        ([], ["NA", "NA", "nan", "null", "null", "?", "?", None, None]),
        (["?"], [None, "NA", None, None, "null", None, "?", None, None]),
    ],
)
def test_quoted_means_a_value_in_csv(missing: list[str] | None, words: list[str | None], tmp_path: Path) -> None:
    fields = ["NA", '"NA"', "nan", "null", '"null"', "?", '"?"', "", '""']
    lines = "".join(f"{field},1\n" for field in fields)
    path = written(tmp_path, f"w,n\n{lines}")
    assert read(path, missing, w=TEXT)["w"] == words
    tabs = written(tmp_path, f"w,n\n{lines}".replace(",", "\t"), "t.tsv")
    assert read(tabs, missing, w=TEXT)["w"] == words


@pytest.mark.parametrize("name", ["t.parquet", "t.jsonl"])
def test_text_in_other_formats_is_a_value_unless_it_is_listed_or_empty(name: str, tmp_path: Path) -> None:
    words = ["NA", "nan", "null", "None", "?", "", None]
    path = tmp_path / name
    if name == "t.parquet":
        pq.write_table(pa.table({"w": words}), path)
    else:
        path.write_text("".join(f"{json.dumps({'w': word})}\n" for word in words))
    assert read(path, w=TEXT)["w"] == ["NA", "nan", "null", "None", "?", None, None]
    assert read(path, ["?", "None"], w=TEXT)["w"] == ["NA", "nan", "null", None, None, None, None]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet", "t.jsonl"])
def test_numbers_and_truth_values_as_text_are_numbers(name: str, tmp_path: Path) -> None:
    words = ["1.5", " 2 ", "True", "", "?", "007"]
    path = tmp_path / name
    if name == "t.parquet":
        pq.write_table(pa.table({"n": words}), path)
    elif name == "t.jsonl":
        path.write_text("".join(f"{json.dumps({'n': word})}\n" for word in words))
    else:
        path.write_text("n\tm\n".replace("\t", "," if name == "t.csv" else "\t"))
        sep = "," if name == "t.csv" else "\t"
        path.write_text(f"n{sep}m\n" + "".join(f"{word}{sep}1\n" for word in words))
    found = read(path, ["?"], n=NUMBER)["n"]
    assert [None if it is None or np.isnan(it) else it for it in found] == [1.5, 2.0, 1.0, None, None, 7.0]


def test_a_word_among_numbers_is_named_in_every_format(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": ["1", "big"]}), tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text('{"n": 1}\n{"n": "big"}\n')
    (tmp_path / "t.csv").write_text("n\n1\nbig\n")
    for name, line in {
        "t.parquet": "row 2, column 'n': 'big' is no number",
        "t.jsonl": "line 2, field 'n': \"big\" is no number",
        "t.csv": "row 2, column 'n': 'big' is no number",
    }.items():
        with pytest.raises(UserError, match=line):
            read(tmp_path / name, n=NUMBER)


def test_not_a_number_in_parquet_is_a_gap(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": pa.array([1.0, float("nan"), None])}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", n=TEXT)["n"] == ["1", None, None]


def made(folder: Path, path: Path, **own: Any) -> Prepared:
    source = {"kind": "table", "path": str(path), "inputs": {"x": "numeric", "w": "categorical"}, **own}
    tasks = {"c": {"kind": "multiclass", "source": "s"}, "v": {"kind": "regression", "source": "s"}}
    like = Experiment.model_validate({"name": "toy", "sources": {"s": source}, "tasks": tasks})
    (folder / "out").mkdir()
    prepare(like, Place("sample", folder, None, folder, folder), folder / "out", lambda line: None)
    return open_prepared(folder / "out")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet", "t.jsonl"])
def test_the_continent_na_is_a_class_and_a_category_in_every_format(name: str, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    words: list[str | None] = [["NA", "EU", "null", "", None][it] for it in draws.integers(0, 5, ROWS)]
    values = draws.normal(size=ROWS).tolist()
    path = tmp_path / name
    if name == "t.parquet":
        pq.write_table(pa.table({"x": values, "w": words, "c": words, "v": values}), path)
    elif name == "t.jsonl":
        rows = ({"x": x, "w": w, "c": w, "v": x} for x, w in zip(values, words, strict=True))
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        sep = "," if name == "t.csv" else "\t"
        fields = ["" if w is None else f'"{w}"' for w in words]
        lines = (sep.join((str(x), w, w, str(x))) for x, w in zip(values, fields, strict=True))
        path.write_text("\n".join((sep.join("xwcv"), *lines)))
    found = made(tmp_path, path)
    assert found.tasks["c"].classes == ("EU", "NA", "null")
    assert found.sources["s"].encoding["columns"][1]["values"] == ["EU", "NA", "null"]
    assert sum(it[0] for it in found.tasks["c"].labelled.values()) == sum(bool(word) for word in words)


def test_the_encoding_knows_what_marks_gaps(tmp_path: Path) -> None:
    path = written(tmp_path, "x,w,c,v\n" + "".join(f"{i},{'NA' if i % 3 else 'EU'},{i % 2},{i}\n" for i in range(ROWS)))
    encoding = made(tmp_path, path, missing=[]).sources["s"].encoding
    assert encoding["columns"][1]["values"] == ["EU", "NA"]
    assert (encoding["missing"], encoding["usual"]) == ([], False)


def test_rows_come_in_batches_of_one_size_from_every_format(tmp_path: Path) -> None:
    numbers = [str(it) for it in range(10_000)]
    pq.write_table(pa.table({"w": numbers}), tmp_path / "t.parquet", row_group_size=777)
    (tmp_path / "t.jsonl").write_text("".join(f'{{"w": "{it}"}}\n' for it in numbers))
    (tmp_path / "t.csv").write_text("w\n" + "\n".join(numbers))
    for name in ("t.parquet", "t.jsonl", "t.csv"):
        batches = list(open_table(tmp_path / name).batches({"w": TEXT}))
        assert [len(it) for it in batches] == [8192, 10_000 - 8192]
        assert [it for batch in batches for it in batch.column(0).to_pylist()] == numbers


@pytest.mark.parametrize("by", ["group", "time", "split"])
@pytest.mark.parametrize("name", ["t.tsv", "t.parquet", "t.jsonl"])
def test_rows_are_split_alike_in_every_format(name: str, by: str, tmp_path: Path) -> None:
    draws = np.random.default_rng(1)
    columns = {
        "x": draws.normal(size=ROWS).tolist(),
        "group": draws.integers(0, 12, ROWS).tolist(),
        "time": [f"2024-01-{day:02}" for day in draws.permutation(ROWS) % 28 + 1],
        "split": draws.choice(["train", "dev", "test"], ROWS).tolist(),
        "old": draws.choice([True, False], ROWS).tolist(),
        "quiet": draws.choice([True, False], ROWS).tolist(),
    }
    rows = list(zip(*columns.values(), strict=True))
    for file, sep in (("t.csv", ","), ("t.tsv", "\t")):
        (tmp_path / file).write_text("\n".join([sep.join(columns), *(sep.join(map(str, row)) for row in rows)]))
    lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in rows)
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    typed = {"group": pa.array(columns["group"], pa.float64()), "time": pa.array(columns["time"]).cast(pa.date32())}
    pq.write_table(pa.table(columns | typed), tmp_path / "t.parquet")
    manifests = []
    for file in ("t.csv", name):
        source = {"kind": "table", "path": file, "inputs": {"x": "numeric"}, by: by}
        source |= {"labels": {"marks": ["old", "quiet"]}}
        tasks = {"marks": {"kind": "multilabel", "source": "s"}}
        like = Experiment.model_validate({"name": "toy", "sources": {"s": source}, "tasks": tasks})
        (folder := tmp_path / f"out-{file}").mkdir()
        prepare(like, Place("sample", tmp_path, None, tmp_path, tmp_path), folder, lambda line: None)
        manifests.append((folder / "manifest.json").read_text())
    assert manifests[0] == manifests[1]
