"""scikit-learn's bundled sets: standardised columns, and labels by their names."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared, open_split
from pipeline.data.sources import source

from .files import quiet
from .pictures import here, on


@pytest.mark.parametrize(
    ("name", "rows", "columns", "kinds"),
    [
        ("iris", 150, 4, {"target": "multiclass"}),
        ("wine", 178, 13, {"target": "multiclass"}),
        ("breast_cancer", 569, 30, {"target": "binary"}),
        ("digits", 1797, 64, {"target": "multiclass"}),
        ("diabetes", 442, 10, {"target": "regression"}),
        ("linnerud", 20, 3, {"Weight": "regression", "Waist": "regression", "Pulse": "regression"}),
    ],
)
def test_each_set_is_prepared(tmp_path: Path, name: str, rows: int, columns: int, kinds: dict[str, str]) -> None:
    experiment = on({"kind": "sklearn", "dataset": name}, {task: {"kind": kind} for task, kind in kinds.items()})
    manifest = prepare(experiment, here(tmp_path), tmp_path, quiet)
    about = manifest["sources"]["own"]
    assert sum(about["rows"].values()) == rows
    assert about["shape"] == [columns]
    assert about["encoding"]["kind"] == "table"
    train = open_split(open_prepared(tmp_path), "train").inputs["own"]
    assert train.dtype == np.float32
    assert np.abs(train.mean(0)).max() < 1e-4
    assert set(manifest["tasks"]) == set(kinds)


def test_classes_have_their_names(tmp_path: Path) -> None:
    found = source(on({"kind": "sklearn", "dataset": "iris"}), "own").read(here(tmp_path), quiet)
    assert found.classes == {"target": ["setosa", "versicolor", "virginica"]}
    np.testing.assert_array_equal(np.bincount(found.train.labels["target"]), [50, 50, 50])


def test_numbers_are_in_their_own_unit(tmp_path: Path) -> None:
    found = source(on({"kind": "sklearn", "dataset": "diabetes"}), "own").read(here(tmp_path), quiet)
    assert found.train.labels["target"][:3].tolist() == [151.0, 75.0, 141.0]
    assert next(found.train.inputs.chunks()).column("age")[0].as_py() == 59.0


def test_a_fingerprint_is_that_of_the_files_that_are_brought(tmp_path: Path) -> None:
    own = source(on({"kind": "sklearn", "dataset": "linnerud"}), "own").fingerprint(here(tmp_path))
    assert set(own.checksums) == {"linnerud_exercise.csv", "linnerud_physiological.csv"}
