"""A package that an earlier version wrote, with code of its own, is opened and predicts what it predicted then."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import LoggedModelStatus

from pipeline.serving.open_model import described, open_model
from tests.serving.packages import PREPARED, SLOTS, frame, rows, store

EARLIER = Path(__file__).with_name("earlier")
ASKED = [0.5, 0.0, 0.0, 0.0, 1.5]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mlflow.pyfunc.PyFuncModel]:
    with store(tmp_path_factory.mktemp("store")) as client:
        found = client.get_experiment_by_name("tiny")
        assert found is not None
        logged = client.create_logged_model(found.experiment_id, "earlier")
        client.log_model_artifacts(logged.model_id, str(EARLIER))
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        yield open_model(f"models:/{logged.model_id}")


def test_it_predicts_what_it_predicted(model: mlflow.pyfunc.PyFuncModel) -> None:
    wanted = pd.read_csv(EARLIER / "predicted.csv", index_col=[0, 1])
    for preference, params in {"own": {}, "asked": {"preference": ASKED}}.items():
        found = unnamed(model.predict(frame(rows(5)), params=params))
        pd.testing.assert_frame_equal(found, wanted.loc[preference], check_names=False, check_dtype=False, rtol=1e-5)


def unnamed(answer: pd.DataFrame) -> pd.DataFrame:
    """The answer without the names of classes, which its own code does not know of."""
    for task in ("colour", "kind", "parity"):
        names = PREPARED.tasks[task].classes
        assert answer.pop(f"{task}/class").tolist() == [names[it] for it in answer[f"{task}/label"]]
    return answer


def test_it_says_what_it_reads_and_predicts(model: mlflow.pyfunc.PyFuncModel) -> None:
    about = described(model)
    assert about["slot"] == SLOTS[1]
    assert list(about["tasks"]) == sorted(PREPARED.tasks)
    assert about["tasks"]["marks"]["thresholds"] == [0.5] * 3
    assert about["sources"] == {name: {"shape": [2, 3], "scale": 255.0} for name in ("other", "plain")}
    assert about["preference"]["tasks"] == list(PREPARED.tasks)


def test_it_predicts_for_rows_of_prepared_data(model: mlflow.pyfunc.PyFuncModel) -> None:
    found = model.unwrap_python_model().answers("plain", rows(5))
    pd.testing.assert_frame_equal(found, unnamed(model.predict(frame(rows(5)))))
    assert np.isfinite(found["price/value"]).all()
