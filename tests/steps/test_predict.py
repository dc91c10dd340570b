"""Predict scores every row of a table or folder, in its order, in bounded memory, or says in one line why not."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.config import with_values
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask
from pipeline.errors import UserError
from pipeline.serving.open_model import open_model
from pipeline.steps.predict import predict
from tests.serving.packages import PREPARED, experiment, frame, log, rows, save

ROWS = rows(9000)
READ = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


@pytest.fixture(scope="module")
def uri(client: mlflow.MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return log(client, save(tmp_path_factory.mktemp("saved"), experiment()))


@pytest.fixture(scope="module")
def expected(uri: str) -> pd.DataFrame:
    """The model's own answers to all rows at once."""
    return unnamed(open_model(uri).predict(frame(ROWS)))


def unnamed(answer: pd.DataFrame) -> pd.DataFrame:
    """The answers without the names of their classes, which are what their numbers say."""
    for task in ("colour", "kind", "parity"):
        names = np.array(PREPARED.tasks[task].classes)
        assert list(answer.pop(f"{task}/class")) == list(names[answer[f"{task}/label"]])
    return answer


def written(path: Path, table: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("source", ["rows.csv", "rows.csv.gz", "rows.parquet"])
@pytest.mark.parametrize("output", READ)
def test_every_row_is_scored_in_its_order(
    uri: str, expected: pd.DataFrame, tmp_path: Path, source: str, output: str
) -> None:
    out = tmp_path / f"out{output}"
    assert predict(uri, written(tmp_path / source, frame(ROWS)), out) == len(ROWS)
    answer = unnamed(READ[output](out))
    assert list(answer.columns) == list(expected.columns)
    np.testing.assert_allclose(answer, expected, atol=1e-6)


def test_an_answer_that_is_no_number_is_one_line_and_writes_nothing(
    client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    uri = log(client, save(tmp_path, experiment(), spread=1e4))
    far = frame(ROWS[:5000])
    far.iloc[4500] = 3e38  # which the network's sums overflow at
    with pytest.raises(UserError, match=r"rows.csv: row 4501, '.*': the network answers (nan|-?inf)"):
        predict(uri, written(tmp_path / "rows.csv", far), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(ValueError, match=r"row 4500 \(from 0\), '.*': the network answers"):
        open_model(uri).predict(far)


@pytest.fixture(scope="module")
def conditioned(client: mlflow.MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that is given a preference among its five tasks."""
    like = with_values(experiment(), {"balancing.method": "cosmos"})
    return log(client, save(tmp_path_factory.mktemp("conditioned"), like))


@pytest.mark.parametrize(
    "preference", ["", "0,1,0,3,0", "marks=0.75,parity=0.25,price=0,kind=0,colour=0", "0, 4, 0, 12, 0"]
)
def test_rows_are_scored_by_the_preference_that_is_asked_for(conditioned: str, tmp_path: Path, preference: str) -> None:
    out = tmp_path / "out.csv"
    predict(conditioned, written(tmp_path / "rows.csv", frame(ROWS[:50])), out, preference=preference)
    network = open_model(conditioned).unwrap_python_model()
    asked = {"preference": [0.0, 0.25, 0.0, 0.75, 0.0] if preference else [0.2] * 5}
    answer = unnamed(pd.read_csv(out))
    np.testing.assert_allclose(answer, unnamed(network.predict(None, frame(ROWS[:50]), asked)), atol=1e-6)
    other = unnamed(network.predict(None, frame(ROWS[:50]), {"preference": [0.0, 0.0, 1.0, 0.0, 0.0]}))
    assert not np.allclose(answer, other, atol=1e-3)


@pytest.mark.parametrize(
    "preference", ["1", "1,1,1,1,1,1", "0,0,0,0,0", "1,1,1,1,-1", "1,1,1,1,nan", "1,1,1,1,inf", "a,b,c,d,e", "colour=1",
                   "colour=1,colour=1,kind=1,marks=1,price=1"]
)  # fmt: skip
def test_a_preference_that_is_none_is_said_in_one_line(conditioned: str, tmp_path: Path, preference: str) -> None:
    source = written(tmp_path / "rows.csv", frame(ROWS[:5]))
    with pytest.raises(UserError) as told:
        predict(conditioned, source, tmp_path / "out.csv", preference=preference)
    example = "colour=0.2,parity=0.2,kind=0.2,marks=0.2,price=0.2"
    wanted = f"--preference {preference}: write a share of each task, none below 0 and not all 0, such as {example}"
    assert str(told.value) == wanted
    assert not (tmp_path / "out.csv").exists()


def test_a_model_that_is_given_no_preference_says_so(uri: str, tmp_path: Path) -> None:
    source = written(tmp_path / "rows.csv", frame(ROWS[:5]))
    with pytest.raises(UserError, match=r"--preference 1,1: the model's network is given none; balancing\.method"):
        predict(uri, source, tmp_path / "out.csv", preference="1,1")


def test_images_are_scored_by_file(uri: str, expected: pd.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        Image.fromarray(ROWS[number].astype(np.uint8).reshape(2, 3)).save(folder / f"{number:02}.png")
    assert predict(uri, folder, tmp_path / "out.csv") == 20
    answer = pd.read_csv(tmp_path / "out.csv")
    assert list(answer.pop("file")) == [f"{number:02}.png" for number in range(20)]
    np.testing.assert_allclose(unnamed(answer), expected[:20], atol=1e-6)


def test_columns_are_taken_by_name_and_others_kept_first(uri: str, expected: pd.DataFrame, tmp_path: Path) -> None:
    mixed = frame(ROWS)[[f"pixel_{i}" for i in (5, 0, 3, 1, 2, 4)]].assign(id="x", a=1, b=2, c=3)
    warnings: list[str] = []
    predict(uri, written(tmp_path / "rows.csv", mixed), tmp_path / "out.parquet", warn=warnings.append)
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert list(found)[:4] == ["id", "a", "b", "c"]
    assert {tuple(row) for row in found[["id", "a", "b", "c"]].to_numpy()} == {("x", "1", "2", "3")}
    np.testing.assert_allclose(unnamed(found.drop(columns=["id", "a", "b", "c"])), expected, atol=1e-6)
    assert warnings == []


def test_what_is_kept_may_be_named_and_is_no_formula_in_a_spreadsheet(uri: str, tmp_path: Path) -> None:
    source = written(tmp_path / "rows.csv", frame(ROWS[:3]).assign(**{"a,b": ["=1+1", "007", "-3"], "id": [1, 2, 3]}))
    plain = list(open_model(uri).predict(frame(ROWS[:3])))
    out = tmp_path / "out.csv"
    predict(uri, source, out, keep=["a,b", "pixel_0"])
    found = pd.read_csv(out, dtype={"a,b": str})
    assert list(found) == ["a,b", "pixel_0", *plain]
    assert found["a,b"].tolist() == ["=1+1", "007", "-3"]
    predict(uri, source, out, keep=["a,b"], spreadsheet=True)
    assert pd.read_csv(out, dtype={"a,b": str})["a,b"].tolist() == ["'=1+1", "007", "-3"]
    predict(uri, source, out, keep=[])
    assert list(pd.read_csv(out)) == plain


def test_a_kept_column_that_is_called_as_a_prediction_is_one_line(uri: str, tmp_path: Path) -> None:
    source = written(tmp_path / "rows.csv", frame(ROWS[:3]).assign(**{"kind/label": 1}))
    with pytest.raises(UserError) as told:
        predict(uri, source, tmp_path / "out.csv")
    assert str(told.value) == (
        f"{source}: column 'kind/label' is called as a prediction is: name what to keep, as in --keep id,day, or "
        "nothing, --keep ''"
    )
    assert not (tmp_path / "out.csv").exists()


def test_a_folder_of_images_has_no_columns_to_keep(uri: str, tmp_path: Path) -> None:
    Image.fromarray(ROWS[0].astype(np.uint8).reshape(2, 3)).save(tmp_path / "it.png")
    with pytest.raises(UserError, match="column 'id' cannot be kept: it has no columns to keep"):
        predict(uri, tmp_path, tmp_path / "out.csv", keep=["id"])


def test_progress_tells_rows_done_of_all_rows(uri: str, tmp_path: Path) -> None:
    for name, total in (("rows.parquet", len(ROWS)), ("rows.csv", None)):
        told: list[tuple[int, int | None]] = []
        source = written(tmp_path / name, frame(ROWS))
        predict(uri, source, tmp_path / "out.csv", lambda done, of, told=told: told.append((done, of)))
        assert told[-1] == (len(ROWS), total)
        assert len(told) > 1
        assert told == sorted(told)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.csv", "no such file or folder"),
        ("rows.xlsx", r"give a \.csv, \.tsv, \.txt, \.jsonl, \.json \(or \.gz of these\) or \.parquet file"),
        ("empty", "no image in this folder"),
        ("short.csv", "missing 'pixel_4', 'pixel_5'"),
    ],
)
def test_a_wrong_input_is_one_line(uri: str, tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "rows.xlsx").write_text("1")
    (tmp_path / "empty").mkdir()
    written(tmp_path / "short.csv", frame(ROWS[:3]).iloc[:, :4])
    with pytest.raises(UserError, match=message):
        predict(uri, tmp_path / source, tmp_path / "out.csv")


def test_a_wrong_row_late_in_the_input_leaves_no_output(uri: str, tmp_path: Path) -> None:
    values = ROWS.copy()
    values[8500, 2] = np.nan
    source = written(tmp_path / "rows.parquet", frame(values))
    with pytest.raises(UserError, match="row 8501, column 'pixel_2'"):
        predict(uri, source, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_the_input_is_never_overwritten(uri: str, tmp_path: Path) -> None:
    source = written(tmp_path / "rows.csv", frame(ROWS[:5]))
    before = source.read_bytes()
    with pytest.raises(UserError, match="is the input"):
        predict(uri, source, tmp_path / "rows.csv")
    assert source.read_bytes() == before


def test_an_unknown_model_is_told_before_rows_are_read(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    source = written(tmp_path / "rows.csv", frame(ROWS[:5]))
    with pytest.raises(UserError, match="no model models:/none@champion"):
        predict("models:/none@champion", source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


MEMORY = """
import re, sys, threading
from pathlib import Path
import mlflow.pyfunc, pandas, pyarrow.csv, pyarrow.parquet, torch
from pipeline.steps.predict import predict

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

store, uri, source, output = sys.argv[1:]
mlflow.set_tracking_uri(store)
idle, peak, done = anonymous(), [0.0], threading.Event()
def watch():
    while not done.wait(0.005):
        peak[0] = max(peak[0], anonymous() - idle)
threading.Thread(target=watch).start()
try:
    rows = predict(uri, Path(source), Path(output))
finally:
    done.set()
print(rows, peak[0])
"""


def peak_mib(client: mlflow.MlflowClient, folder: Path, source: Path, features: int) -> tuple[int, float]:
    """Rows scored by a process of its own, and the anonymous memory that it took for it, in MiB."""
    classes = tuple("0123456789")
    prepared = Prepared(
        folder,
        {"images": PreparedSource((1, features), 255.0, {})},
        {name: PreparedTask("multiclass", "images", classes) for name in ("one", "two")},
    )
    uri = log(client, save(folder, experiment(prepared, trunk={"widths": [128]}), prepared))
    command = [sys.executable, "-c", MEMORY, mlflow.get_tracking_uri(), uri, str(source), str(folder / "out.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    count, peak = done.stdout.split()
    return int(count), float(peak)


def stored(path: Path, count: int, features: int, rows_a_group: int, kind: str) -> Path:
    """Rows of random pixels, the same in each row group."""
    rng = np.random.default_rng(0)
    shape = (features, rows_a_group)
    values = rng.integers(0, 256, shape, dtype=np.uint8) if kind == "bytes" else rng.random(shape)
    group = pa.table({f"pixel_{i}": column for i, column in enumerate(values)})
    with pq.ParquetWriter(path, group.schema) as writer:
        for _ in range(count // rows_a_group):
            writer.write_table(group)
    return path


def test_fifty_thousand_rows_take_little_memory(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    source = stored(tmp_path / "rows.parquet", 50_000, 64, 10_000, "bytes")
    count, peak = peak_mib(client, tmp_path, source, 64)
    assert count == 50_000
    assert peak < 150


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "features", "rows_a_group", "kind"),
    [
        (2_000_000, 64, 100_000, "bytes"),
        (2_000_000, 784, 5_000, "bytes"),
        (200_000, 784, 200_000, "bytes"),
        (100_000, 784, 50_000, "fractions"),
    ],
)
def test_memory_stays_within_300_mib_whatever_the_row_groups(
    client: mlflow.MlflowClient, tmp_path: Path, count: int, features: int, rows_a_group: int, kind: str
) -> None:
    source = stored(tmp_path / "rows.parquet", count, features, rows_a_group, kind)
    scored, peak = peak_mib(client, tmp_path, source, features)
    source.unlink()
    assert scored == count
    assert peak < 300


@pytest.mark.slow
def test_memory_stays_within_300_mib_for_csv(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    block = pd.DataFrame(
        np.random.default_rng(0).integers(0, 256, (1000, 784)), columns=[f"pixel_{i}" for i in range(784)]
    )
    text = block.to_csv(index=False, header=False)
    source = tmp_path / "rows.csv"
    with source.open("w") as file:
        file.write(",".join(block.columns) + "\n")
        for _ in range(100):
            file.write(text)
    scored, peak = peak_mib(client, tmp_path, source, 784)
    assert scored == 100_000
    assert peak < 300
