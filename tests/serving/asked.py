"""Models of each sort of source, and requests in every form, right and wrong, with what `headway predict` answers."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.steps.predict import predict
from tests.data import texts
from tests.serving.packages import PREPARED, SLOTS, experiment, log_several, rows, save

JSON, CSV = "application/json", "text/csv"
COUNT = 40
Columns = Mapping[str, list[Any]]
Request = tuple[str, bytes]
"""Content type and body."""

INPUTS = {
    "sepal length (cm)": "numeric", "a/b": "numeric", 'it\'s "so", really': "categorical", "floor": "categorical",
    "yes?": "categorical", "zip code": "categorical", "day": "date", "remarks": "text", "built\nin": "categorical",
}  # fmt: skip
LABELS = ["x y", "/", "null"]
TARGETS = {"grade": "multiclass", "kind": "multiclass", "sold": "binary", "price": "regression"}
WORDS = ["we saw Oslo", "", "Anna, said Bo", "2024", 'a "lovely" day']


@dataclass(frozen=True)
class Case:
    """A model and what it is asked.

    Attributes:
        uri: Of the model.
        right: Requests by name, with the answers of `headway predict` to the same rows.
        wrong: Requests by name.
    """

    uri: str
    right: Mapping[str, tuple[Request, pd.DataFrame]]
    wrong: Mapping[str, Request]


def table(count: int = 160) -> dict[str, list[Any]]:
    """Columns of awkward names and values, some missing, and what is to be predicted."""
    draws = np.random.default_rng(5)

    def some(values: list[Any], gaps: float = 0.0) -> list[Any]:
        return [None if draws.random() < gaps else values[it] for it in draws.integers(0, len(values), count)]

    return {
        "sepal length (cm)": [None if draws.random() < 0.2 else float(it) for it in draws.normal(size=count).round(3)],
        "a/b": draws.integers(0, 50, count).tolist(),
        'it\'s "so", really': some(["a,b", 'say "hi"', "Zürich", " Oslo"], 0.1),
        "floor": some([1, 2, 10], 0.1),
        "yes?": some([True, False], 0.1),
        "zip code": some(["01067", "10115", "80331"]),
        "day": some(["2024-01-05", "2024-02-29 23:59:58", "1999-12-31"], 0.1),
        "remarks": some(["old but quiet", "1 room", "2024"], 0.1),
        "built\nin": some([1950.5, 2000.0]),
        "grade": some([8, 9, 10]),
        "kind": some(["a/b", "c,d", "2.50"]),
        "sold": some([True, False]),
        "price": draws.normal(300, 50, count).tolist(),
        **{name: draws.integers(0, 2, count).tolist() for name in LABELS},
    }


def prepared_table(folder: Path) -> Prepared:
    (folder / "rows.csv").write_bytes(as_csv(table()))
    tasks = {name: {"kind": kind, "source": "houses"} for name, kind in TARGETS.items()}
    tasks["flags"] = {"kind": "multilabel", "source": "houses"}
    source = {"kind": "table", "path": "rows.csv", "inputs": INPUTS, "labels": {"flags": LABELS}}
    like = Experiment.model_validate({"name": "toy", "sources": {"houses": source}, "tasks": tasks})
    (folder / "made").mkdir()
    prepare(like, Place("sample", folder, None, folder, folder), folder / "made", lambda line: None)
    return open_prepared(folder / "made")


def parts(folder: Path) -> dict[str, tuple[Path, str]]:
    """A trained network of each sort of source."""
    for name in ("table", "images", "text"):
        (folder / name).mkdir()
    houses = prepared_table(folder / "table")
    like = texts.experiment(data={"text": {"length": 16}})
    said = texts.prepared(texts.small(folder / "raw"), like, folder / "made")
    return {
        "table": (save(folder / "table", experiment(houses), houses), SLOTS[1]),
        "images": (save(folder / "images", renamed(), renamed_images()), SLOTS[0]),
        "text": (save(folder / "text", like, said, spread=0.5), SLOTS[0]),
    }


def renamed_images() -> Prepared:
    """The tasks of images, none of which is called as one of the table is."""
    tasks = {f"image_{name}": task for name, task in PREPARED.tasks.items()}
    return Prepared(PREPARED.folder, PREPARED.sources, tasks)


def renamed() -> Experiment:
    return experiment(renamed_images())


def cases(client: mlflow.MlflowClient, folder: Path) -> dict[str, Case]:
    """By the sort of source; `several` is one model of all."""
    found = parts(folder)
    uris = {name: log_several(client, [part]) for name, part in found.items()}
    uris["several"] = log_several(client, list(found.values()))
    asked = {"table": of_table, "images": of_images, "text": of_texts}
    made = {name: Case(uris[name], *ask(uris[name], folder)) for name, ask in asked.items()}
    right, wrong = {}, {}
    for name, ask in asked.items():
        own_right, own_wrong = ask(uris["several"], folder, alone=False)
        right |= {f"{name}: {form}": it for form, it in own_right.items()}
        wrong |= {f"{name}: {form}": it for form, it in own_wrong.items()}
    return made | {"several": Case(uris["several"], right, wrong)}


Asked = tuple[dict[str, tuple[Request, pd.DataFrame]], dict[str, Request]]


def of_table(uri: str, folder: Path, alone: bool = True) -> Asked:
    new = {name: table()[name][:COUNT] for name in INPUTS}
    body = as_csv(new)
    expected = predicted(uri, folder / "new.csv", body)
    right = {name: (it, expected) for name, it in forms(new).items()} | {"csv": ((CSV, body), expected)}
    right["more columns"] = (forms({"id": list(range(COUNT)), **new})["records"], expected)
    first = {name: column[:1] for name, column in new.items()}
    without = {name: column for name, column in first.items() if name != "a/b"}
    wrong = {f"{name} without a column": it for name, it in forms(without).items()}
    for value in ("abc", 1e39, [1.0]):
        wrong |= {f"{name} with {value}": it for name, it in forms(first | {"a/b": [value]}).items()}
    wrong |= {f"{name} with no date": it for name, it in forms(first | {"day": ["31.5.2024"]}).items()}
    if alone:
        wrong |= {"csv with abc": (CSV, as_csv(first | {"a/b": ["abc"]}))}
    return right, wrong | broken()


def of_images(uri: str, folder: Path, alone: bool = True) -> Asked:
    values = rows(COUNT).astype(int)
    columns = {f"pixel_{place}": values[:, place].tolist() for place in range(values.shape[1])}
    body = as_csv(columns)
    expected = predicted(uri, folder / "pixels.csv", body)
    lists = {"rows": values.tolist(), "shaped": values.reshape(-1, 2, 3).tolist(),
             "with an axis of colours": values.reshape(-1, 1, 2, 3).tolist()}  # fmt: skip
    asked = forms(columns) | {"csv": (CSV, body)}
    asked |= {f"{key}, {name}": as_json(key, it) for name, it in lists.items() for key in ("inputs", "instances")}
    wrong_lists: dict[str, Any] = {
        "one image": values[0].tolist(), "ragged": [[1, 2], [3]], "too long": [[0] * 7], "words": [["a"] * 6],
        "gaps": [[1, 2, 3, 4, 5, None]], "turned": values[:1].reshape(1, 3, 2).tolist(), "too large": [[1e39] * 6],
    }  # fmt: skip
    wrong = {f"{key}, {name}": as_json(key, it) for name, it in wrong_lists.items() for key in ("inputs", "instances")}
    wrong |= {f"{name} with one more": it for name, it in forms(columns | {"pixel_6": columns["pixel_0"]}).items()}
    return {name: (it, expected) for name, it in asked.items()}, wrong | broken()


def of_texts(uri: str, folder: Path, alone: bool = True) -> Asked:
    lines = "".join(json.dumps({"body": word}) + "\n" for word in WORDS).encode()
    expected = predicted(uri, folder / "new.jsonl", lines)
    asked = forms({"text": WORDS}) | {f"{key}, list": as_json(key, WORDS) for key in ("inputs", "instances")}
    if alone:
        quoted = "text\n" + "".join('"' + word.replace('"', '""') + '"\n' for word in WORDS if word)
        some = predicted(uri, folder / "some.jsonl", b"\n".join(it for it in lines.splitlines() if b'""' not in it))
        return {name: (it, expected) for name, it in asked.items()} | {
            "csv": ((CSV, quoted.encode()), some)
        }, wrong_texts()
    return {name: (it, expected) for name, it in asked.items()}, broken()


def wrong_texts() -> dict[str, Request]:
    columns: list[Columns] = [{"words": WORDS}, {"text": WORDS, "more": WORDS}]
    found = {f"{name} of {'+'.join(it)}": body for it in columns[:1] for name, body in forms(it).items()}
    found["records with a gap"] = as_json("dataframe_records", [{"text": None}])
    found["inputs, lists"] = as_json("inputs", [["a", "b"]])
    return found | broken()


def broken() -> dict[str, Request]:
    """What is wrong for all models."""
    return {
        "no body": (JSON, b""),
        "no JSON": (JSON, b'{"inputs": [1,'),
        "no text": (JSON, b"\xff\xfe"),
        "no known key": as_json("rows", [1]),
        "two keys": (JSON, json.dumps({"inputs": [1], "instances": [1]}).encode()),
        "a list": (JSON, b"[1, 2]"),
    }


def forms(columns: Columns) -> dict[str, Request]:
    """Rows with names, in every form of JSON."""
    named = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    split = {"columns": list(columns), "data": [list(row.values()) for row in named]}
    return {
        "records": as_json("dataframe_records", named),
        "split": as_json("dataframe_split", split),
        "inputs by column": as_json("inputs", dict(columns)),
        "inputs by row": as_json("inputs", named),
        "instances by column": as_json("instances", dict(columns)),
        "instances by row": as_json("instances", named),
    }


def as_json(key: str, value: Any) -> Request:
    return JSON, json.dumps({key: value}).encode()


def as_csv(columns: Columns) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return file.getvalue().encode()


def predicted(uri: str, path: Path, content: bytes) -> pd.DataFrame:
    """What `headway predict` answers to a file."""
    path.write_bytes(content)
    predict(uri, path, path.with_suffix(".parquet"), keep=())
    return pd.read_parquet(path.with_suffix(".parquet"))


def check_same(body: str, expected: pd.DataFrame) -> None:
    """An answer of a server has the columns of a prediction in their order, and each of its values."""
    found = json.loads(body)["predictions"]
    assert all(list(row) == list(expected) for row in found)
    assert len(found) == len(expected)
    for name, column in expected.items():
        own = [row[name] for row in found]
        assert own == column.tolist() if column.dtype != np.float32 else np.array_equal(np.float32(own), column), name
