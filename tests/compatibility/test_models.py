"""Models that an earlier version registered predict what they predicted then."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.tracking import tags
from tests.conftest import call_headway

from .make import SERVED
from .unpacked import ONE_SPLIT, unpacked

TOLERANCE = {"rtol": 1e-6, "atol": 1e-7}  # of a float32 on another processor


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests here run in order and add to it."""
    with pytest.MonkeyPatch.context() as patch:
        yield unpacked("models", tmp_path_factory.mktemp("models"), patch)


def name_of(served: str) -> str:
    return served.removesuffix("_asked")


def uri(served: str) -> str:
    return f"models:/{name_of(served)}@champion"


def shares(preference: str) -> dict[str, float]:
    return {task: float(share) for task, share in (word.split("=") for word in preference.split(",") if word)}


@pytest.mark.parametrize("served", SERVED)
def test_headway_predicts_what_was_recorded(project: Path, tmp_path: Path, served: str) -> None:
    source, preference = SERVED[served]
    asked = ("--preference", preference) if preference else ()
    output = tmp_path / "out.csv"
    told = call_headway("predict", "--model", uri(served), "--input", source, "--output", str(output), *asked)
    assert (told.code, told.err) == (0, "")
    pd.testing.assert_frame_equal(pd.read_csv(output), recorded(project, served), **TOLERANCE)


@pytest.mark.parametrize("served", SERVED)
def test_mlflow_predicts_what_was_recorded(project: Path, served: str) -> None:
    import mlflow  # not before a command has set up its logging

    source, preference = SERVED[served]
    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    model = mlflow.pyfunc.load_model(uri(served))
    of_tasks = shares(preference)
    params = {"preference": [of_tasks[task] for task in ("price", "sold", "category", "marks")]} if preference else None
    found: Any = model.predict(read(project / source), params=params)
    named = recorded(project, served)
    wanted = named[[column for column in named if not column.endswith("/class")]]
    pd.testing.assert_frame_equal(found, wanted, **TOLERANCE, check_dtype=False)


@pytest.mark.parametrize("served", ["table", "text"])
def test_a_new_model_is_held_against_an_earlier_champion(project: Path, served: str) -> None:
    import mlflow

    told = call_headway("prepare", served, *ONE_SPLIT)
    assert (told.code, told.err) == (0, "")
    prepared = max((project / ".headway" / "prepared").iterdir(), key=lambda path: path.stat().st_mtime_ns).name
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    # As if the champion had been chosen on the very data; they are prepared by other code now, to another key.
    client.set_model_version_tag(served, "1", tags.PREPARED, prepared)
    told = call_headway("evaluate", served, *ONE_SPLIT, "--set", "training.epochs=1")
    assert (told.code, told.err) == (0, "")
    assert "on the validation objective against version 1, gate.min_gain is" in told.out


def recorded(project: Path, served: str) -> pd.DataFrame:
    return pd.read_csv(project / "recorded" / f"{served}.csv")


def read(source: Path) -> pd.DataFrame:
    if source.suffix == ".csv":
        rows = pd.read_csv(source)
        return rows.astype(float) if "pixel_0" in rows else rows  # MLflow takes no whole numbers for them
    return pd.DataFrame({"text": source.read_text().splitlines()})
