"""What can be explained, and by which method."""

from pathlib import Path
from types import SimpleNamespace

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

POSTS = {"kind": "text", "by": "words", "length": 2, "columns": 3, "words": ["the"], "buckets": 4, "ids": 7}
PREPARED = Prepared(
    Path(),
    {"posts": PreparedSource((2, 3), 1.0, {}, POSTS)},
    {
        "who": PreparedTask("tagging", "posts", ("O", "B-x", "I-x"), length=2),
        "mood": PreparedTask("binary", "posts", ("a", "b")),
    },
)


def step() -> Explain:
    experiment = Experiment.model_validate({"name": "tiny", "tasks": {"a": {"kind": "binary", "source": "x"}}})
    train = Train(experiment, "default", "prepared", "cpu")
    return Explain(experiment, "prepared", train, Done("train default", "key", "run", Path(), cached=True))


def test_a_task_is_explained_as_it_was_rebuilt() -> None:
    network = nn.Sequential(nn.Linear(6, 6))
    it = _explained(PREPARED, "who", Rebuilt("posts", network, network[0], (4, 0, 0) * 2))
    assert (it.kind, it.network, it.embedded, it.widths) == ("tagging", network, network[0], (4, 0, 0) * 2)
    assert it.entities == (False, True, True)
    assert it.inputs.names == ("", "?", "the")
    assert not _explained(PREPARED, "mood", Rebuilt("posts", network, None, (1,) * 6)).entities


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
        within(SimpleNamespace(experiment=None), 60.0, "explain", 0.0)
