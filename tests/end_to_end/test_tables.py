"""From a file to a tracked, tuned and registered model: a table."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.data.prepared import open_prepared
from tests.conftest import Result, call_headway, make_project

ROWS = 600
SMALL = (
    "--set", "data.test=0.2",
    "--set", "training.epochs=2", "--set", "training.seeds=2", "--set", "model.trunk.widths=[16]",
    "--set", "tuning.trials=2", "--set", "tuning.batch=2",
)  # fmt: skip
TARGETS = "price:regression,sold:binary,category:multiclass,marks=old+quiet:multilabel"


def houses(rows: int) -> pd.DataFrame:
    draws = np.random.default_rng(0)
    town, area = draws.choice(["Bern", "Oslo", "Lima"], rows), draws.gamma(5.0, 20.0, rows).round(1)
    price = (3 * area + 100 * (town == "Bern") + draws.normal(0, 20, rows)).round()
    frame = pd.DataFrame(
        {
            "house_id": np.arange(rows),
            "town": town,
            "area": area,
            "rooms": draws.integers(1, 8, rows),
            "price": price,
            "sold": np.where(price + draws.normal(0, 40, rows) < 350, "yes", "no"),
            "category": np.where(area < 70, "flat", np.where(area < 120, "house", "villa")),
            "old": draws.integers(0, 2, rows),
            "quiet": (area > 100).astype(int),
        }
    )
    for column in ("area", "town", "price", "sold"):
        frame.loc[draws.random(rows) < 0.1, column] = None
    return frame


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project in which `init` and `run` were called once. Tests here run in order and add to it."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("tables") / "project", patch)
        houses(ROWS).to_csv(project / "my.csv", index=False)
        patch.setattr("pipeline.steps.evaluate._LEAST_S", 60.0)  # a busy machine cuts the references short
        drafted = call_headway("init", "my.csv", "--targets", TARGETS)
        yield project, drafted, call_headway("run", "my", *SMALL, "--json")


Finished = tuple[Path, Result, Result]


def test_the_draft_explains_what_it_guesses(finished: Finished) -> None:
    project, drafted, _ = finished
    assert (drafted.code, drafted.err) == (0, "")
    text = (project / "experiments" / "my.yaml").read_text()
    assert text in drafted.out
    assert "headway run my" in drafted.out
    said = yaml.safe_load(text)
    assert said["sources"]["my"]["path"] == "my.csv"
    assert said["sources"]["my"]["inputs"] == {"town": "categorical", "area": "numeric", "rooms": "numeric"}
    assert {name: task["kind"] for name, task in said["tasks"].items()} == {
        "price": "regression", "sold": "binary", "category": "multiclass", "marks": "multilabel",
    }  # fmt: skip
    assert "Left out: house_id, of which every row has its own: an identifier" in text
    assert "10.7% missing" in text or "% missing" in text


def test_what_is_drafted_runs_to_a_registered_model(finished: Finished) -> None:
    result = finished[2]
    assert result.code == 0, result.err
    assert result.json["model"] == "models:/my@champion"
    page = Path(result.json["report"]).read_text()
    assert "R2 (price) or accuracy (sold, category) or ROC-AUC (marks)" in page
    assert "a reference without a network" in page
    folder = next(step["outputs"] for step in result.json["steps"] if step["step"] == "evaluate")
    every = pd.read_csv(Path(folder) / "references.csv").query("primary").set_index(["candidate", "task"])["mean"]
    found, constant = every["gradient boosting"], every["constant"]
    assert list(found.index) == list(constant.index) == ["price", "sold", "category", "marks"]
    assert constant["price"] <= 0.0
    assert constant["marks"] == 0.5
    assert found["price"] > 0.5
    assert found["category"] > 0.7


def test_raw_rows_are_scored_as_the_prepared_ones(finished: Finished) -> None:
    # The rows of the test split, found by where they stand in the file, through `predict` and through the model.
    project, _, result = finished
    rows = houses(ROWS).drop(columns=["price", "sold", "category", "old", "quiet"])
    rows.to_csv(project / "new.csv", index=False)
    answer = call_headway("predict", "--model", "models:/my@champion", "--input", "new.csv", "--output", "out.parquet")
    assert answer.code == 0
    assert answer.err == ""
    scored = pd.read_parquet(project / "out.parquet")
    assert scored.columns[0] == "house_id"
    assert scored["house_id"].tolist() == rows["house_id"].astype(str).tolist()
    assert len(scored) == ROWS
    assert set(scored["category/class"]) <= {"flat", "house", "villa"}
    assert {"price/value", "sold/class", "marks/label/old", "marks/probability/quiet"} <= set(scored)
    folder = Path(next(step["outputs"] for step in result.json["steps"] if step["step"] == "prepare"))
    inputs = open_prepared(folder).split("train").inputs["my"]
    model = champion()
    wanted = model.unwrap_python_model().answers("my", inputs)
    columns = [name for name in wanted if "probability" in name or name.endswith("value")]
    places = {row.tobytes(): place for place, row in enumerate(encoded(model, rows))}
    found = scored[columns].to_numpy()[[places[np.asarray(row).tobytes()] for row in inputs]]
    np.testing.assert_allclose(found, wanted[columns].to_numpy(), rtol=1e-5, atol=1e-6)


def test_rows_that_are_far_out_are_answered_as_those_at_the_ends_of_training(finished: Finished) -> None:
    project, _, result = finished
    folder = Path(next(step["outputs"] for step in result.json["steps"] if step["step"] == "prepare"))
    data = open_prepared(folder)
    low, high = data.sources["my"].encoding["columns"][1]["clip"]
    assert 0 < low < 20 < 250 < high < houses(ROWS)["area"].max()
    rows = pd.DataFrame({"town": ["Bern"] * 4, "area": [1e7, high, -1e7, low], "rooms": [3] * 4})
    pd.concat([rows] * 400).to_csv(project / "far.csv", index=False)  # more than pass through the network at a time
    answer = call_headway("predict", "--model", "models:/my@champion", "--input", "far.csv", "--output", "far.parquet")
    assert answer.code == 0
    scored = pd.read_parquet(project / "far.parquet").select_dtypes("number").to_numpy()
    np.testing.assert_allclose(scored[0::2], scored[1::2], rtol=1e-6)
    found = champion().predict(rows).select_dtypes("number").to_numpy()
    np.testing.assert_allclose(found[[0, 2]], scored[[0, 2]].astype(float), rtol=1e-5, atol=1e-6)
    price = data.tasks["price"]
    inside = pd.read_parquet(project / "out.parquet")["price/value"]
    assert price.low <= inside.min() < inside.max() <= price.high


def champion() -> Any:
    # Late: the command line says how much MLflow may say before it loads it.
    from pipeline.serving.open_model import open_model

    return open_model("models:/my@champion")


def encoded(model: Any, rows: pd.DataFrame) -> np.ndarray:
    """The rows as the served model encodes them: bit for bit as `prepare` did."""
    trunk, *others = (
        model.unwrap_python_model()._served._trunks
    )  # the champion may be one network a task: they read the same rows
    assert all(it.rows == trunk.rows for it in others)
    return np.asarray(trunk.rows.values(rows, 0))


def test_the_opened_model_takes_frames_of_whole_numbers_unseen_words_and_gaps(finished: Finished) -> None:
    model = champion()
    frame = pd.DataFrame({"town": ["Bern", "Rome", None], "area": [70, 80, 90], "rooms": [1.0, np.nan, 3.0]})
    answer = model.predict(frame)
    assert np.isfinite(answer["price/value"]).all()
    frame.loc[1, "town"] = None
    np.testing.assert_array_equal(answer["price/value"][1:2], model.predict(frame)["price/value"][1:2])
    with pytest.raises(Exception, match="area"):
        model.predict(frame.drop(columns="area"))
    with pytest.raises(Exception, match=r"row 1 .*column 'rooms'"):
        model.predict(frame.assign(rooms=["1", "many", "2"]))


def test_the_logged_model_answers_where_headway_is_not_installed(finished: Finished) -> None:
    project = finished[0]
    code = (
        "import sys, importlib.abc\n"
        "class Blocker(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'pipeline': raise ImportError('not here')\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "import mlflow, pandas as pd\n"
        "mlflow.set_tracking_uri('sqlite:///mlflow.db')\n"
        "rows = pd.read_csv('new.csv').astype({'rooms': float})\n"  # MLflow takes no whole numbers for them
        "answer = mlflow.pyfunc.load_model('models:/my@champion').predict(rows)\n"
        "print(len(answer), 'price/value' in answer)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str(ROWS), "True"]


def test_wrong_rows_to_score_are_one_line_and_write_nothing(finished: Finished) -> None:
    project = finished[0]
    rows = houses(50).astype({"area": object})
    rows.loc[30, "area"] = "wide"
    rows.to_csv(project / "wrong.csv", index=False)
    houses(50).drop(columns="town").to_csv(project / "less.csv", index=False)
    for name, line in {"wrong.csv": "row 31, column 'area'", "less.csv": "no column 'town'"}.items():
        answer = call_headway("predict", "--model", "models:/my@champion", "--input", name, "--output", "none.csv")
        assert answer.code == 2
        assert line in answer.err
        assert sum(text.startswith("headway: ") for text in answer.err.splitlines()) == 1
        assert "Traceback" not in answer.err
        assert not (project / "none.csv").exists()


def test_a_second_draft_does_not_write_over_the_first(finished: Finished) -> None:
    answer = call_headway("init", "my.csv", "--targets", TARGETS)
    assert answer.code == 2
    assert "experiments/my.yaml exists already" in answer.err


@pytest.mark.parametrize(
    ("targets", "line"),
    [
        ("", "--targets is missing: name what is to be predicted; the columns are house_id, town"),
        ("prise", "no column 'prise'; the columns are"),
        ("price:number", "unknown kind 'number'; the kinds are multiclass"),
        ("town:regression", "column 'town' holds 'Lima' in 195 rows, which is no number"),
        ("town:binary", "column 'town' has 3 different values"),
        ("marks:multilabel", "no column 'marks'"),
        ("old:multilabel", "name its columns, old=this+that:multilabel"),
        ("price,price", "names 'price' twice"),
    ],
)
def test_wrong_targets_are_one_line_and_draft_nothing(targets: str, line: str, finished: Finished) -> None:
    answer = call_headway("init", "my.csv", "--targets", targets, "--name", "other")
    assert answer.code == 2
    assert line in answer.err
    assert answer.err.count("\n") == 1
    assert not (finished[0] / "experiments" / "other.yaml").exists()
