"""A pretrained encoder's whole job: tags, classes, several labels and numbers over one trunk; new texts predicted."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests import encoders
from tests.conftest import Result, call_headway, make_project
from tests.data.texts import SOURCES, TASKS, small

pytest.importorskip("transformers")

EXPERIMENT: dict[str, Any] = {
    "sources": SOURCES | {"posts": SOURCES["posts"] | {"labels": {"moods": {"column": "mood", "separator": "|"}}}},
    "tasks": TASKS | {"moods": {"kind": "multilabel", "source": "posts"}},
    "data": {"validation": 0.2, "test": 0.2},
    "model": {"trunk": {"kind": "huggingface", "model": "encoder"}},
    "training": {"epochs": 2, "seeds": 2, "learning_rate": 0.003, "schedule": "constant", "batch_size": 16},
    "baselines": {"single": False},
    "tuning": {"trials": 2, "batch": 2},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project in which the job ran once, from the folder of the project."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("huggingface") / "project", patch)
        small(project)
        encoders.encoder(project / "encoder")
        (project / "experiments" / "small.yaml").write_text(yaml.safe_dump(EXPERIMENT))
        yield project, call_headway("run", "small", "--json")


def test_the_job_ends_and_a_second_time_every_step_is_cached(finished: tuple[Path, Result]) -> None:
    _, result = finished
    assert result.code == 0, result
    assert "who: entity F1" in Path(result.json["report"]).read_text()
    told = call_headway("run", "small")
    assert told.code == 0
    assert told.out.count("cached") >= 4


def test_data_are_shown_in_the_tokenizers_words(finished: tuple[Path, Result]) -> None:
    out = call_headway("show", "small", "--data").out
    assert f"{len(encoders.SPECIAL) + len(encoders.WORDS)} subwords are distinguished" in out


def test_new_texts_are_predicted(finished: tuple[Path, Result], tmp_path: Path) -> None:
    _, result = finished
    (tmp_path / "new.jsonl").write_text(json.dumps({"body": "Anna saw lovely Oslo"}) + "\n")
    words = ["--input", str(tmp_path / "new.jsonl"), "--output", str(tmp_path / "out.csv")]
    told = call_headway("predict", "--model", result.json["model"], *words)
    assert told.code == 0, told
    (answer,) = pd.read_csv(tmp_path / "out.csv").to_dict("records")
    assert len(answer["who/tags"].split()) == 4
    assert {"moods/label/bad", "moods/label/good", "stars/value", "mood/class"} <= set(answer)


def test_a_folder_that_is_no_encoder_is_one_line_and_leaves_nothing(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    made = set((project / ".headway" / "prepared").iterdir())
    told = call_headway("run", "small", "--set", "model.trunk.model=experiments")
    assert told.code == 2
    assert len(told.err.strip().splitlines()) == 1
    assert "model.trunk.model: experiments holds no config.json" in told.err
    assert set((project / ".headway" / "prepared").iterdir()) == made
