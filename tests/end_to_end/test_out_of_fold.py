"""Out-of-fold predictions of every kind of source: texts and their tags, images in a folder, rows in order of time."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.data.prepared import open_prepared, outer_file
from tests.conftest import Result, call_headway, make_project
from tests.data.texts import SOURCES, TASKS, small
from tests.end_to_end.test_images import draw_scans

FAST = {
    "tuning": None,
    "baselines": {"single": False, "reference": False},
    "data": {"test": {"folds": 2, "repeats": 2}},
}


def done(folder: Path, patch: pytest.MonkeyPatch, make: Any, **experiment: Any) -> Path:
    """A project in which a job of one network ran."""
    project = make_project(folder, patch)
    make(project)
    (project / "experiments" / "my.yaml").write_text(yaml.safe_dump(FAST | experiment))
    result = call_headway("run", "my", "--json")
    assert (result.code, result.err) == (0, "")
    return project


def out_of_fold(*words: str) -> Result:
    return call_headway("predict", "my", "--out-of-fold", "--output", "folds.csv", *words)


def test_of_texts_every_token_has_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = done(
        tmp_path / "project", monkeypatch, small, sources=SOURCES, tasks=TASKS,
        model={"trunk": {"kind": "lstm", "embedding": 8, "widths": [6]}},
        training={"epochs": 1, "learning_rate": 0.03, "batch_size": 16},
    )  # fmt: skip
    refused = out_of_fold()
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "the tasks read 2 sources, and their rows are not the same: add --source" in refused.err
    for source in SOURCES:
        assert out_of_fold("--source", source).code == 0
        found = pd.read_csv(project / "folds.csv", keep_default_na=False)
        tagged = [task for task, it in TASKS.items() if it["source"] == source and it["kind"] == "tagging"]
        assert {name.partition("/")[0] for name in found} == {
            task for task, it in TASKS.items() if it["source"] == source
        }
        prepared = open_prepared(next((project / ".headway" / "prepared").iterdir()))
        assert len(found) == sum(prepared.sources[source].rows.values())
        for task in tagged:
            tags, entities = found[f"{task}/tags"].str.split(), found[f"{task}/entities"].map(json.loads)
            for own, it in zip(tags, entities, strict=True):
                assert all(entity["end"] <= len(own) for entity in it)
                assert len(it) == sum(tag.startswith("B-") for tag in own) or any(tag.startswith("I-") for tag in own)


def test_of_images_in_a_folder_each_row_has_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"kind": "images", "path": "scans", "labels_file": "labels.csv", "id": "image", "size": [8, 8]}
    project = done(
        tmp_path / "project", monkeypatch, lambda project: draw_scans(project, 60), sources={"scans": source},
        tasks={
            "red": {"kind": "binary", "source": "scans"}, "blue": {"kind": "regression", "source": "scans"},
        },
        model={"trunk": {"widths": [8]}}, training={"epochs": 1},
    )  # fmt: skip
    assert out_of_fold().code == 0
    found = pd.read_csv(project / "folds.csv")
    assert found["file"].tolist() == [f"{row:04}.jpg" for row in range(60)]
    model = "models:/my@champion"
    assert call_headway("predict", "--model", model, "--input", "scans", "--output", "all.csv").code == 0
    assert list(pd.read_csv(project / "all.csv").columns) == list(found.columns)


def test_rows_that_are_too_old_to_test_stay_in_their_place_and_are_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(project: Path) -> None:
        draws = np.random.default_rng(0)
        day = draws.permutation(80)
        frame = pd.DataFrame({"day": day, "x": draws.normal(size=80).round(3)})
        frame["up"] = np.where(frame["x"] > 0, "yes", "no")
        frame["next"] = (frame["x"] * 2).round(3)
        frame.to_csv(project / "days.csv", index=False)

    project = done(
        tmp_path / "project", monkeypatch, make,
        sources={"days": {"kind": "table", "path": "days.csv", "inputs": {"x": "numeric"}, "time": "day"}},
        tasks={"up": {"kind": "binary", "source": "days"}, "next": {"kind": "regression", "source": "days"}},
        model={"trunk": {"kind": "tabular", "widths": [8]}}, training={"epochs": 1},
    )  # fmt: skip
    result = out_of_fold("--json")
    assert result.code == 0, result.err
    of = np.load(open_prepared(next((project / ".headway" / "prepared").iterdir())).folder / outer_file("days"))
    untested = (of < 0).all(1)
    assert 0 < untested.sum() < 80
    assert result.json == {"rows": 80, "untested": int(untested.sum()), "output": "folds.csv"}
    found = pd.read_csv(project / "folds.csv")
    assert (found.isna().all(axis=1) == untested).all()
    assert not found[~untested].isna().any(axis=None)
    told = out_of_fold()
    assert f"80 rows, {untested.sum()} of them empty" in told.out
    lines = (project / "folds.csv").read_text().splitlines()
    assert any(line.split(",")[1] in ("0", "1") for line in lines[1:])  # whole numbers stay whole
