"""Models from Python predict what `headway predict` writes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import headway
from tests.conftest import Headway


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Images of digits as a table of pixels."""
    return pd.DataFrame(load_digits().data[:50]).rename(columns=lambda it: f"pixel_{it}").astype(int)


def test_it_predicts_as_the_command_does(
    done: headway.Result, here: Path, rows: pd.DataFrame, tmp_path: Path, headway: Headway
) -> None:
    from headway import Model

    source, output = tmp_path / "rows.csv", tmp_path / "scored.parquet"
    rows.to_csv(source, index=False)
    words = ("--model", "models:/debug@champion", "--input", str(source), "--output", str(output))
    assert headway("predict", *words).code == 0
    model = Model.load("models:/debug@champion")
    assert model.tasks == ["digit", "parity"]
    answers = model.predict(rows.set_index(rows.index + 100))
    assert answers.index[0] == 100
    written = pd.read_parquet(output)
    pd.testing.assert_frame_equal(answers.reset_index(drop=True), written, check_exact=True, check_dtype=False)
    pd.testing.assert_frame_equal(model.predict(source), written, check_exact=True, check_dtype=False)
    of_array = model.predict(rows.to_numpy(np.float64).reshape(-1, 8, 8))
    pd.testing.assert_frame_equal(of_array, written, check_exact=True, check_dtype=False)


def test_a_run_and_a_folder_name_a_model_too(
    done: headway.Result, here: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    champion = headway.Model.load("models:/debug@champion")
    expected = champion.predict(rows)
    for name in (done.run_id, done.run_id[:12]):
        assert headway.Model.load(name).uri == "models:/debug/1"
    assert done.open_model().predict(rows).equals(expected)
    folder = champion.folder
    assert headway.Model.load(folder).predict(rows).equals(expected)


def test_mistakes_are_exceptions_of_one_line(done: headway.Result, here: Path, rows: pd.DataFrame) -> None:
    model = headway.Model.load("models:/debug@champion")
    mistakes = {
        "no model models:/none@champion": lambda: headway.Model.load("models:/none@champion"),
        "run 'abc': no such run": lambda: headway.Model.load("abc"),
        "registered no model": lambda: headway.Model.load(done.done["prepare"].run_id),
        "is no MLflow model": lambda: headway.Model.load(here),
        "column 'pixel_0' is missing": lambda: model.predict(rows.drop(columns="pixel_0")),
        "no such file or folder": lambda: model.predict("nowhere.csv"),
        "the model's network is given none": lambda: model.predict(rows, preference={"digit": 1.0}),
    }
    for said, mistake in mistakes.items():
        with pytest.raises(headway.UserError, match=said) as error:
            mistake()
        assert "\n" not in str(error.value)
