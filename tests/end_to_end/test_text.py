"""The whole job on text: tags of sentences, and classes and numbers of posts with labels missing."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.conftest import Result, call_headway, make_project
from tests.data.texts import SOURCES, TASKS, small

EXPERIMENT = {
    "name": "small",
    "sources": SOURCES,
    "tasks": TASKS,
    "data": {"test": 0.2, "validation": 0.2},
    "model": {"trunk": {"kind": "lstm", "embedding": 8, "widths": [6]}},
    "training": {"epochs": 3, "seeds": 2, "learning_rate": 0.03, "schedule": "constant", "batch_size": 16},
    "tuning": {"trials": 2, "batch": 2},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project in which the job ran once."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("text") / "project", patch)
        small(project)
        (project / "experiments" / "small.yaml").write_text(yaml.safe_dump(EXPERIMENT))
        yield project, call_headway("run", "small", "--json")


def test_the_job_ends_with_a_report_on_entities(finished: tuple[Path, Result]) -> None:
    _, result = finished
    assert result.code == 0, result
    page = Path(result.json["report"]).read_text()
    assert "entity F1 (who)" in page
    assert "who: entity F1" in page


def test_a_second_time_every_step_is_cached(finished: tuple[Path, Result]) -> None:
    told = call_headway("run", "small")
    assert told.code == 0
    assert told.out.count("cached") >= 5


def test_data_are_shown_as_text(finished: tuple[Path, Result]) -> None:
    lines = call_headway("show", "small", "--data").out.splitlines()
    assert any(line.startswith("names: texts of at most") for line in lines)
    assert any(line.strip().startswith("B-person") and line.count("%") == 3 for line in lines)


def test_new_texts_are_predicted(finished: tuple[Path, Result], tmp_path: Path) -> None:
    _, result = finished
    (tmp_path / "new.jsonl").write_text(json.dumps({"body": "Anna saw lovely Oslo"}) + "\n")
    words = ["--input", str(tmp_path / "new.jsonl"), "--output", str(tmp_path / "out.csv")]
    assert call_headway("predict", "--model", result.json["model"], *words).code == 0
    (answer,) = pd.read_csv(tmp_path / "out.csv").to_dict("records")
    assert len(answer["who/tags"].split()) == 4
    assert isinstance(json.loads(answer["who/entities"]), list)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("names.conll", "Anna\tB-person\nLi\tI-place\n", "line 2: 'I-place' follows 'B-person'"),
        ("posts.jsonl", "{\n", "line 1 is no JSON object"),
    ],
)
def test_a_broken_file_is_one_line_and_leaves_nothing(
    finished: tuple[Path, Result], name: str, content: str, line: str
) -> None:
    project, _ = finished
    before = (project / name).read_text()
    made = set((project / ".headway" / "prepared").iterdir())
    try:
        (project / name).write_text(content)
        told = call_headway("prepare", "small")
    finally:
        (project / name).write_text(before)
    assert told.code == 2
    assert len(told.err.strip().splitlines()) == 1
    assert f"{name}: {line}" in told.err
    assert set((project / ".headway" / "prepared").iterdir()) == made
