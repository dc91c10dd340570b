"""The served model stands alone, and answers what the stack that was trained answers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask
from pipeline.serving.open_model import open_model
from pipeline.training import saved
from tests.serving.packages import PREPARED, SLOTS, experiment, frame, log, numbers, probabilities, rows, save
from tests.training.made import MIXED, experiment_on, random_data, seeds, trained

CASES: dict[str, dict[str, Any]] = {
    "shared": {},
    "separate": {"sharing": "separate"},
    "no trunk": {"trunk": {"widths": []}},
    "mlp heads": {"head": {"kind": "mlp", "widths": [3, 3]}},
    **{norm: {"trunk": {"norm": norm}} for norm in ("batch", "batch_per_source", "layer")},
    "separate, batch_per_source": {"sharing": "separate", "trunk": {"norm": "batch_per_source"}},
    **{name: {"trunk": {"activation": name}} for name in ("relu", "gelu", "silu", "tanh")},
}
ROWS = rows(7)

ALONE = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pipeline":
            raise ImportError("pipeline is not here")
sys.meta_path.insert(0, Blocker())
import mlflow, numpy as np, pandas as pd
store, folder, *uris = sys.argv[1:]
mlflow.set_tracking_uri(store)
values = np.load(folder + "/rows.npy")
frame = pd.DataFrame(values, columns=[f"pixel_{i}" for i in range(values.shape[1])])
for number, uri in enumerate(uris):
    mlflow.pyfunc.load_model(uri).predict(frame).to_parquet(f"{folder}/{number}.parquet")
assert not any(name.split(".")[0] in ("pipeline", "tests") for name in sys.modules)
"""


@pytest.fixture(scope="module")
def answered_alone(
    client: mlflow.MlflowClient, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[pd.DataFrame, dict[str, np.ndarray]]]:
    """For each case what a process without `pipeline` answers, and what the stack does."""
    folder = tmp_path_factory.mktemp("alone")
    np.save(folder / "rows.npy", ROWS)
    paths = {case: _saved(folder / str(number), experiment(**CASES[case])) for number, case in enumerate(CASES)}
    uris = [log(client, path, SLOTS[1]) for path in paths.values()]
    command = [sys.executable, "-I", "-c", ALONE, mlflow.get_tracking_uri(), str(folder), *uris]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {
        case: (
            pd.read_parquet(folder / f"{number}.parquet"),
            probabilities(paths[case], experiment(**CASES[case]), SLOTS[1], ROWS),
        )
        for number, case in enumerate(CASES)
    }


@pytest.mark.parametrize("case", CASES)
def test_a_process_without_pipeline_answers_what_the_stack_answers(
    case: str, answered_alone: dict[str, tuple[pd.DataFrame, dict[str, np.ndarray]]]
) -> None:
    answer, expected = answered_alone[case]
    assert set(expected) == set(PREPARED.tasks)
    for task, wanted in expected.items():
        if task == "price":
            np.testing.assert_allclose(answer[["price/value"]], wanted, rtol=1e-6)
            continue
        names = PREPARED.tasks[task].classes
        np.testing.assert_allclose(answer[[f"{task}/probability/{it}" for it in names]], wanted, atol=1e-6, rtol=0)
        if task == "marks":
            found = answer[[f"{task}/label/{it}" for it in names]].to_numpy()
            assert (found == (wanted > 0.5)).all()  # there is no validation split to choose thresholds on
        else:
            assert (answer[f"{task}/label"] == wanted.argmax(1)).all()
            assert answer[f"{task}/class"].tolist() == [names[it] for it in wanted.argmax(1)]


def test_columns_are_labels_classes_and_probabilities_or_a_value(model: Any) -> None:
    answer = model.predict(None, frame(ROWS))
    assert {name: str(kind) for name, kind in answer.dtypes.items()} == {
        "colour/label": "int64", "colour/class": "str",
        "colour/probability/red": "float32", "colour/probability/green": "float32",
        "colour/probability/blue": "float32",
        "parity/label": "int64", "parity/class": "str",
        "parity/probability/even": "float32", "parity/probability/odd": "float32",
        "kind/label": "int64", "kind/class": "str",
        "kind/probability/a": "float32", "kind/probability/b": "float32",
        "kind/probability/c": "float32", "kind/probability/d": "float32",
        "marks/label/round": "int64", "marks/label/red": "int64", "marks/label/new": "int64",
        "marks/probability/round": "float32", "marks/probability/red": "float32", "marks/probability/new": "float32",
        "price/value": "float64",
    }  # fmt: skip
    np.testing.assert_allclose(answer.filter(like="parity/probability").sum(axis=1), 1.0, rtol=1e-6)


def test_the_signature_names_the_columns_of_the_answers(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    model = open_model(log(client, save(tmp_path, experiment())))
    outputs = model.metadata.get_output_schema()
    types = {"int64": "long", "float32": "float", "float64": "double", "str": "string"}
    answer = model.predict(frame(ROWS))
    assert {it.name: it.type.name for it in outputs.inputs} == {
        name: types[str(kind)] for name, kind in answer.dtypes.items()
    }


def test_several_labels_are_answered_by_the_thresholds_that_validation_chose(
    client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    prepared = random_data(tmp_path, MIXED, rows=200)
    like = experiment_on(prepared, {"training.epochs": 2})
    states = list(trained(prepared, seeds(like, 2)).values())
    (path,) = saved.save(tmp_path, prepared, seeds(like, 2), states)
    task, split = prepared.tasks["marks"], prepared.split("validation")
    true = np.asarray(split.labels["marks"])
    by_half = []
    for slot in SLOTS:
        answer: Any = open_model(log(client, path, slot)).predict(frame(np.asarray(split.inputs[task.source], float)))
        for label, name in enumerate(task.classes):
            chance = answer[f"marks/probability/{name}"].to_numpy()
            best = max(f1_score(true[:, label], chance >= it) for it in chance)
            assert f1_score(true[:, label], answer[f"marks/label/{name}"]) == pytest.approx(best)
            by_half.append(f1_score(true[:, label], chance > 0.5) < best)
    assert any(by_half), "one half is the best threshold everywhere: this shows nothing"


def test_slots_answer_differently(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    path = save(tmp_path, experiment())
    answers = [open_model(log(client, path, slot)).predict(frame(ROWS)) for slot in SLOTS]
    assert not np.allclose(numbers(answers[0]), numbers(answers[1]))


def test_the_order_of_columns_does_not_matter(model: Any) -> None:
    shuffled = frame(ROWS)[[f"pixel_{i}" for i in (3, 0, 5, 1, 4, 2)]]
    pd.testing.assert_frame_equal(model.predict(None, shuffled), model.predict(None, frame(ROWS)))


def test_the_index_of_the_rows_is_kept(model: Any) -> None:
    named = frame(ROWS).set_index(pd.Index(list("abcdefg")))
    assert list(model.predict(None, named).index) == list("abcdefg")


def test_no_rows_have_no_answers(model: Any) -> None:
    answer = model.predict(None, frame(ROWS[:0]))
    assert len(answer) == 0
    assert list(answer.columns) == list(model.predict(None, frame(ROWS)).columns)


def test_large_frames_are_answered_as_small_ones(model: Any) -> None:
    values = rows(9000)
    whole = model.predict(None, frame(values))
    parts = pd.concat([model.predict(None, frame(values[i : i + 500])) for i in range(0, 9000, 500)])
    np.testing.assert_allclose(numbers(whole), numbers(parts), atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "Int64"])
def test_any_numbers_are_read(model: Any, dtype: str) -> None:
    pd.testing.assert_frame_equal(model.predict(None, frame(ROWS).astype(dtype)), model.predict(None, frame(ROWS)))


def test_read_only_rows_are_left_alone(model: Any) -> None:
    values = ROWS.astype(np.float32)
    values.flags.writeable = False
    model.predict(None, pd.DataFrame(values, columns=frame(ROWS).columns, copy=False))
    np.testing.assert_array_equal(values, ROWS.astype(np.float32))


def test_loading_draws_no_random_numbers(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    import torch

    uri = log(client, save(tmp_path, experiment()))
    before = torch.get_rng_state()
    open_model(uri)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="pixel_3"), "column 'pixel_3' is missing: the columns are pixel_0 to pixel_5"),
        (lambda f: f[["pixel_0"]], "columns 'pixel_1', 'pixel_2', 'pixel_3' and 2 more are missing"),
        (lambda f: f.assign(pixel_6=1.0, id=2.0), "columns 'pixel_6', 'id' are unknown"),
        (lambda f: pd.concat([f, f["pixel_2"]], axis=1), "column 'pixel_2' is there twice"),
        (lambda f: f.assign(pixel_1="x"), "column 'pixel_1' holds no numbers but str"),
        (lambda f: f.assign(pixel_4=f.pixel_4.where(f.index != 2)), r"row 2 \(from 0\), column 'pixel_4': nan is no"),
        (lambda f: f.assign(pixel_4=np.inf), r"row 0 \(from 0\), column 'pixel_4': inf is no finite number"),
        (lambda f: f.assign(pixel_4=1e39), r"row 0 \(from 0\), column 'pixel_4': 1e\+39 is no finite number"),
    ],
)
def test_wrong_rows_are_refused_with_their_place(model: Any, change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.predict(None, change(frame(ROWS)))


def test_the_place_of_a_wrong_value_counts_from_the_frames_first_row(model: Any) -> None:
    values = rows(5000)
    values[4500, 1] = np.nan
    with pytest.raises(ValueError, match=r"row 4500 \(from 0\), column 'pixel_1'"):
        model.predict(None, frame(values))


def test_sources_of_different_scale_are_each_divided_by_their_own(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    prepared = Prepared(Path(), PREPARED.sources | {"other": PreparedSource((2, 3), 16.0, {})}, PREPARED.tasks)
    like = experiment(prepared)
    path = save(tmp_path, like, prepared)
    answer = open_model(log(client, path)).predict(frame(ROWS))
    for task, wanted in probabilities(path, like, SLOTS[0], ROWS, prepared).items():
        part = "value" if task == "price" else "probability"
        np.testing.assert_allclose(answer.filter(like=f"{task}/{part}"), wanted, rtol=1e-5, atol=1e-6)


def test_rows_are_answered_by_the_tasks_whose_source_has_their_size(
    client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    prepared = Prepared(
        Path(),
        {"small": PreparedSource((2, 2), 255.0, {}), "large": PreparedSource((3, 3), 255.0, {})},
        {
            "one": PreparedTask("binary", "small", ("no", "yes")),
            "two": PreparedTask("multiclass", "large", ("a", "b", "c")),
        },
    )
    like = experiment(prepared, sharing="separate")
    path = save(tmp_path, like, prepared)
    model = open_model(log(client, path))
    for task, features in (("one", 4), ("two", 9)):
        values = rows(3, features)
        answer = model.predict(frame(values))
        assert {name.split("/")[0] for name in answer} == {task}
        wanted = probabilities(path, like, SLOTS[0], values, prepared)[task]
        np.testing.assert_allclose(answer.filter(like="probability"), wanted, atol=1e-6)


@pytest.fixture(scope="module")
def model(client: mlflow.MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return open_model(log(client, save(tmp_path_factory.mktemp("saved"), experiment()))).unwrap_python_model()


def _saved(folder: Path, like: Experiment) -> Path:
    folder.mkdir()
    return save(folder, like)
