"""The same rows are prepared to the same arrays and get the same answers, to the last bit, in whichever format."""

import csv
import datetime
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.pyfunc.scoring_server import invocations

from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.serving.open_model import open_model
from pipeline.steps.predict import predict
from tests.serving.packages import experiment, log, numbers, save

ROWS = 240
DRAWS = np.random.default_rng(3)
DAYS = [datetime.date(2024, 1, day) for day in (5, 6, 31)]
Column = list[Any]


def drawn(values: Column, gaps: float = 0.0, rows: int = ROWS) -> Column:
    places, missing = DRAWS.integers(0, len(values), rows), DRAWS.random(rows) < gaps
    return [None if gap else values[place] for place, gap in zip(places, missing, strict=True)]


COLUMNS: dict[str, Column] = {
    "x": [None if DRAWS.random() < 0.2 else float(it) for it in DRAWS.normal(size=ROWS)],
    "count": DRAWS.integers(0, 50, ROWS).tolist(),
    "yes": drawn([True, False]),
    "smoker": drawn([True, False]),
    "owner": drawn([True, False], 0.2),
    "floor": drawn([1, 2, 10]),
    "level": drawn([1, 2, 10], 0.2),  # which a frame holds as 1.0, 2.0 and 10.0
    "rate": drawn([0.1, 2.5, 1e20, 1.0]),
    "fee": drawn([Decimal("1.50"), Decimal("2.00")]),
    "zip": drawn(["01067", "10115", "80331"]),
    "mixed": drawn(["1", "2", "G"]),
    "town": drawn(["Bern", "a,b", 'say "hi"', "Zürich", " Oslo"], 0.1),
    "day": drawn(list(DAYS), 0.1),
    "built": drawn([datetime.date(1950, 1, 31), *DAYS], 0.1),
    "seen": drawn([datetime.datetime(2024, 2, 29, 23, 59, 58, 500_000), datetime.datetime(2023, 1, 1)], 0.1),
    "remarks": drawn(["old but quiet", "quiet, with a view", "1 room", "2024"], 0.1),
    "price": DRAWS.normal(300, 50, ROWS).tolist(),
    "sold": drawn([True, False], 0.1),
    "grade": drawn([8, 9, 10], 0.1),
    "code": drawn(["007", "010", "100"]),
    "narrow": ([0.1, 2.3, -7.7, 1e-5, None] * ROWS)[:ROWS],  # which a frame holds in 32 bits
}
KINDS = dict.fromkeys(("x", "count", "yes", "narrow"), "numeric") | {"built": "date", "seen": "date", "remarks": "text"}
TARGETS = {"price": "regression", "sold": "binary", "grade": "multiclass", "code": "multiclass"}
CLASSES = {"sold": ("false", "true"), "grade": ("8", "9", "10"), "code": ("007", "010", "100")}
NEW = {name: column[:40] for name, column in COLUMNS.items() if name not in TARGETS}
NEW["zip"] = ["01067"] * 40  # which any reader that guesses types makes 1067
NEW["mixed"] = ["1", None] * 20  # and this 1.0


def table(columns: Mapping[str, Column]) -> pa.Table:
    """As a database writes it: whole numbers with gaps as floats."""
    types = {"level": pa.float64(), "narrow": pa.float32(), "mixed": pa.float64() if columns is NEW else pa.string()}
    read = {name: [float(it) if it else None for it in column] if types.get(name) == pa.float64() else column
            for name, column in columns.items()}  # fmt: skip
    return pa.table({name: pa.array(column, types.get(name)) for name, column in read.items()})


def as_csv(path: Path, columns: Mapping[str, Column]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def as_frame_csv(path: Path, columns: Mapping[str, Column]) -> None:
    """As pandas writes it, text in quotes, and so its gaps."""
    sep = "\t" if path.suffix == ".tsv" else ","
    frame(columns).to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC, sep=sep)


def as_lines(path: Path, columns: Mapping[str, Column]) -> None:
    path.write_text("".join(f"{json.dumps(it)}\n" for it in objects(columns)))


def objects(columns: Mapping[str, Column]) -> list[dict[str, Any]]:
    return [dict(zip(columns, map(plain, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, datetime.date) else value


def frame(columns: Mapping[str, Column]) -> pd.DataFrame:
    return table(columns).to_pandas()


WRITTEN: dict[str, Callable[[Path, Mapping[str, Column]], None]] = {
    "rows.csv": as_csv,
    "pandas.csv": as_frame_csv,
    "rows.tsv": as_csv,
    "pandas.tsv": as_frame_csv,
    "rows.parquet": lambda path, columns: pq.write_table(table(columns), path, row_group_size=70),
    "rows.jsonl": as_lines,
}


def made(folder: Path, name: str) -> Prepared:
    WRITTEN[name](folder / name, COLUMNS)
    kinds = {column: KINDS.get(column, "categorical") for column in NEW}
    tasks = {task: {"kind": kind, "source": "s"} for task, kind in TARGETS.items()}
    source = {"kind": "table", "path": name, "inputs": kinds}
    like = Experiment.model_validate({"name": "toy", "sources": {"s": source}, "tasks": tasks})
    (folder / "out").mkdir()
    prepare(like, Place("sample", folder, None, folder, folder), folder / "out", lambda line: None)
    return open_prepared(folder / "out")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    return {name: made(tmp_path_factory.mktemp("made"), name) for name in WRITTEN}


@pytest.fixture(scope="module")
def models(
    client: mlflow.MlflowClient, prepared: dict[str, Prepared], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    return {name: log(client, save(tmp_path_factory.mktemp("saved"), experiment(it), it))
            for name, it in prepared.items()}  # fmt: skip


@pytest.fixture(scope="module")
def expected(models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return by_file("rows.csv")(models["rows.csv"], tmp_path_factory.mktemp("expected"))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_table_is_prepared_alike_in_every_format(prepared: dict[str, Prepared], name: str) -> None:
    first, own = (json.loads((prepared[it].folder / "manifest.json").read_text()) for it in ("rows.csv", name))
    assert own == first  # statistics, classes, and the sums of all arrays
    assert {task: tuple(own["tasks"][task]["classes"]) for task in CLASSES} == CLASSES
    about = {it["name"]: it for it in own["sources"]["s"]["encoding"]["columns"]}
    types = {it["name"]: (it["type"], it["values"]) for it in about.values() if it["kind"] == "categorical"}
    assert types == {
        "smoker": ("boolean", ["false", "true"]),
        "owner": ("boolean", ["false", "true"]),
        "floor": ("number", ["1", "2", "10"]),
        "level": ("number", ["1", "2", "10"]),
        "rate": ("number", ["0.1", "1", "2.5", "1e+20"]),
        "fee": ("number", ["1.5", "2"]),
        "zip": ("text", ["01067", "10115", "80331"]),
        "mixed": ("text", ["1", "2", "G"]),
        "town": ("text", [" Oslo", "Bern", "Zürich", "a,b", 'say "hi"']),
        "day": ("time", ["2024-01-05", "2024-01-06", "2024-01-31"]),
    }


def by_file(name: str) -> Callable[[str, Path], pd.DataFrame]:
    def answer(uri: str, folder: Path) -> pd.DataFrame:
        WRITTEN[name](folder / name, NEW)
        warnings: list[str] = []
        predict(uri, folder / name, folder / "out.parquet", warn=warnings.append)
        assert warnings == []
        found = pd.read_parquet(folder / "out.parquet")
        for task, classes in CLASSES.items():
            assert [classes[place] for place in found[f"{task}/label"]] == found[f"{task}/class"].tolist()
        return found

    return answer


def by_frame(uri: str, folder: Path) -> pd.DataFrame:
    return pd.DataFrame(open_model(uri).predict(frame(NEW)))


def by_nullable_frame(uri: str, folder: Path) -> pd.DataFrame:
    """Of pandas' own types, with categories."""
    converted = frame(NEW).convert_dtypes()
    converted = converted.astype({"floor": "category", "level": "category", "smoker": "category", "town": "category"})
    return pd.DataFrame(open_model(uri).predict(converted))


def by_arrow_frame(uri: str, folder: Path) -> pd.DataFrame:
    converted = table(NEW).to_pandas(types_mapper=pd.ArrowDtype)
    return pd.DataFrame(open_model(uri).predict(converted))


def served(kind: str, body: Callable[[], str | bytes]) -> Callable[[str, Path], pd.DataFrame]:
    def answer(uri: str, folder: Path) -> pd.DataFrame:
        model = mlflow.pyfunc.load_model(uri)
        response = invocations(body(), kind, model, model.metadata.get_input_schema())
        return pd.DataFrame(json.loads(response.response)["predictions"])

    return answer


def by_served_parquet(uri: str, folder: Path) -> pd.DataFrame:
    """As `headway serve` reads it; to MLflow's own signature a column of whole numbers is no text."""
    response = invocations(frame(NEW).to_parquet(), PARQUET, open_model(uri), None)
    return pd.DataFrame(json.loads(response.response)["predictions"])


def split() -> dict[str, Any]:
    rows = objects(NEW)
    return {"columns": list(NEW), "data": [list(row.values()) for row in rows]}


def columns() -> dict[str, Any]:
    return {name: list(map(plain, column)) for name, column in NEW.items()}


JSON, PARQUET = "application/json", "application/vnd.apache.parquet"
ASKED: dict[str, Callable[[str, Path], pd.DataFrame]] = {
    **{name: by_file(name) for name in WRITTEN},
    "frame": by_frame,
    "nullable frame": by_nullable_frame,
    "frame of arrow": by_arrow_frame,
    "records": served(JSON, lambda: json.dumps({"dataframe_records": objects(NEW)})),
    "split": served(JSON, lambda: json.dumps({"dataframe_split": split()})),
    "inputs by column": served(JSON, lambda: json.dumps({"inputs": columns()})),
    "inputs by row": served(JSON, lambda: json.dumps({"inputs": objects(NEW)})),
    "instances": served(JSON, lambda: json.dumps({"instances": objects(NEW)})),
    "served parquet": by_served_parquet,
    "served csv": served("text/csv", lambda: frame(NEW).to_csv(index=False)),
}


@pytest.mark.parametrize("trained", WRITTEN)
@pytest.mark.parametrize("asked", ASKED)
def test_every_way_gives_the_same_answers(
    models: dict[str, str], expected: pd.DataFrame, tmp_path: Path, trained: str, asked: str
) -> None:
    found = ASKED[asked](models[trained], tmp_path)
    assert list(found) == list(expected)
    for name in expected:
        if name.endswith("/class"):
            assert found[name].tolist() == expected[name].tolist()
            continue
        np.testing.assert_array_equal(found[name].to_numpy().astype(expected[name].dtype), expected[name], name)


def test_neither_order_nor_number_of_rows_changes_an_answer(models: dict[str, str], expected: pd.DataFrame) -> None:
    network = open_model(models["rows.csv"]).unwrap_python_model()
    order = DRAWS.permutation(40)
    shuffled = network.predict(None, frame(NEW).iloc[order])
    np.testing.assert_allclose(numbers(shuffled), numbers(expected.iloc[order]), rtol=1e-5, atol=1e-6)
    # A column that holds whole numbers, gaps or text in part of the rows only has other types there.
    parts = [network.predict(None, pd.DataFrame(objects(NEW)[start : start + 3])) for start in range(0, 40, 3)]
    np.testing.assert_allclose(numbers(pd.concat(parts)), numbers(expected), rtol=1e-5, atol=1e-6)


def test_in_served_csv_words_for_gaps_are_gaps_and_in_json_they_are_values(
    client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    """MLflow reads served CSV before the model does, and does not tell it what stood in quotes."""
    continents, rows = ["NA", "EU"] * 50, DRAWS.normal(size=100)
    source = pd.DataFrame({"x": rows, "continent": continents, "v": rows + np.array([1.0, -1.0] * 50)})
    source.to_csv(tmp_path / "rows.csv", index=False, quoting=csv.QUOTE_NONNUMERIC)
    inputs = {"x": "numeric", "continent": "categorical"}
    like = Experiment.model_validate(
        {
            "name": "toy",
            "sources": {"s": {"kind": "table", "path": "rows.csv", "inputs": inputs}},
            "tasks": {"v": {"kind": "regression", "source": "s"}},
        }
    )
    (tmp_path / "out").mkdir()
    prepare(like, Place("sample", tmp_path, None, tmp_path, tmp_path), tmp_path / "out", lambda line: None)
    made = open_prepared(tmp_path / "out")
    model = mlflow.pyfunc.load_model(log(client, save(tmp_path / "out", experiment(made), made)))

    def answer(kind: str, body: str) -> list[float]:
        response = invocations(body, kind, model, model.metadata.get_input_schema())
        return [row["v/value"] for row in json.loads(response.response)["predictions"]]

    na, eu, gap = answer(JSON, json.dumps({"inputs": {"x": [0.5] * 3, "continent": ["NA", "EU", None]}}))
    assert len({na, eu, gap}) == 3
    assert answer("text/csv", 'x,continent\n0.5,"NA"\n0.5,EU\n0.5,\n') == [gap, eu, gap]
