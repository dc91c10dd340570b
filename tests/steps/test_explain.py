"""What can be explained, and by which method."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask
from pipeline.errors import UserError
from pipeline.steps.budget import within
from pipeline.steps.context import Done
from pipeline.steps.explain import Explain, _explained
from pipeline.steps.train import Train
from pipeline.tracking.rebuilt import Rebuilt

COLUMNS = {
    "kind": "table",
    "columns": [{"name": "age", "kind": "numeric", "marked": False}, {"name": "town", "kind": "categorical"}],
    "categories": [3],
}
SOURCES = {
    "images": PreparedSource((2, 3), 255.0, {}),
    "posts": PreparedSource((9,), 1.0, {}, {"kind": "text"}),
    "people": PreparedSource((2,), 1.0, {}, COLUMNS),
}


def prepared(*sources: str) -> Prepared:
    tasks = {f"of_{name}": PreparedTask("binary", name, ("no", "yes")) for name in sources}
    return Prepared(Path(), {name: SOURCES[name] for name in sources}, tasks)


def step() -> Explain:
    experiment = Experiment.model_validate({"name": "tiny", "tasks": {"a": {"kind": "binary", "source": "x"}}})
    train = Train(experiment, "default", "prepared", "cpu")
    return Explain(experiment, "prepared", train, Done("train default", "key", "run", Path(), cached=True))


def context() -> tuple[Any, list[str]]:
    told: list[str] = []
    return SimpleNamespace(say=SimpleNamespace(line=told.append), experiment=None), told


def test_a_source_that_cannot_be_told_apart_is_left_out_and_named() -> None:
    asked, told = context()
    assert step()._readable(asked, prepared("images", "posts", "people")) == ["of_images", "of_people"]
    assert len(told) == 1
    assert "posts: rows of kind 'text'" in told[0]


def test_nothing_to_explain_is_a_mistake() -> None:
    with pytest.raises(UserError, match="tiny has neither images nor a table"):
        step()._readable(context()[0], prepared("posts"))


def test_codes_that_are_not_embedded_are_explained_by_occlusion_alone() -> None:
    bare = Rebuilt("people", nn.Sequential(nn.Identity()), nn.Sequential(nn.Linear(2, 1)), (1, 1))
    assert _explained(prepared("people"), "of_people", bare).methods == ("occlusion",)
    embedded = Rebuilt("people", nn.Sequential(nn.Identity(), nn.Identity()), bare.answer, (1, 4))
    assert set(_explained(prepared("people"), "of_people", embedded).methods) == {"gradients", "occlusion"}


def test_the_key_knows_the_network_and_the_number_of_rows() -> None:
    one, two = step(), step()
    assert one.key().digest == two.key().digest
    two.experiment = two.experiment.model_copy(
        update={"explain": two.experiment.explain.model_copy(update={"rows": 3})}
    )
    assert one.key().digest != two.key().digest
    two = step()
    two._done = Done("train default", "another key", "run", Path(), cached=True)
    assert one.key().digest != two.key().digest


def test_a_budget_is_for_training() -> None:
    with pytest.raises(UserError, match="give it to train or run"):
        within(context()[0], 60.0, "explain", 0.0)
