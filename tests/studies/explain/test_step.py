"""What can be explained, and by which method."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask
from pipeline.serving.rebuilt import Rebuilt
from pipeline.steps.context import StepResult
from pipeline.steps.restricted import single_task
from pipeline.steps.step import Step
from pipeline.steps.train import Train
from pipeline.studies.explain.attributions import Explained
from pipeline.studies.explain.step import Chosen, Explain, _explained
from pipeline.training.saved import FILE, load_network, save
from pipeline.training.slot import slots_of
from tests.analysis.made import candidate, experiment as made_experiment, prepared
from tests.steps.made import PREPARE, Made
from tests.training.made import trained

POSTS = {"kind": "text", "by": "words", "length": 2, "columns": 3, "words": ["the"], "buckets": 4, "ids": 7}
PREPARED = Prepared(
    Path(),
    {"posts": PreparedSource((2, 3), 1.0, {}, POSTS)},
    {
        "who": PreparedTask("tagging", "posts", ("O", "B-x", "I-x"), length=2),
        "mood": PreparedTask("binary", "posts", ("a", "b")),
    },
)


def step(rows: int = 256, prepare: Step = PREPARE, places: tuple[int, ...] = (0, 1)) -> Explain:
    tree = {"name": "tiny", "tasks": {"a": {"kind": "binary", "source": "x"}}, "explain": {"rows": rows}}
    experiment = Experiment.model_validate(tree)
    return Explain(experiment, PREPARE, [Chosen(Train(experiment, "default", prepare, "cpu"), places)])


def done(like: Experiment, folder: Path, role: str = "default", **more: Any) -> Train:
    """A training that is done."""
    train = Train(like, role, PREPARE, "cpu", **more)
    train.result = StepResult(train.title, "key", "run", folder, cached=True)
    return train


def test_a_task_is_explained_as_it_was_rebuilt() -> None:
    network = nn.Sequential(nn.Linear(6, 6))
    it = _explained(PREPARED, "who", Rebuilt("posts", network, network[0], (4, 0, 0) * 2))
    assert (it.kind, it.network, it.embedded, it.widths) == ("tagging", network, network[0], (4, 0, 0) * 2)
    assert it.entities == (False, True, True)
    assert it.inputs.names == ("", "?", "the")
    assert not _explained(PREPARED, "mood", Rebuilt("posts", network, None, (1,) * 6)).entities


def test_the_key_knows_the_network_and_the_number_of_rows() -> None:
    key = step().key().digest
    assert step().key().digest == key
    for other in (step(rows=3), step(prepare=Made("other")), step(places=(2, 0))):
        assert other.key().digest != key


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    made = prepared(tmp_path / "data")
    monkeypatch.setattr("pipeline.data.prepared.open_prepared", lambda folder: made)
    return made


def assert_answers(explained: Explained, data: Prepared, path: Path, place: int, like: Experiment, task: str) -> None:
    """It is the network of the slot at this place of a file."""
    network, _ = load_network(path, data.only(like.tasks), like)
    rows = torch.from_numpy(data.split("validation").inputs[data.tasks[task].source].astype(np.float32))
    wanted = network.forward({data.tasks[task].source: rows.unsqueeze(0)})[task][place]
    torch.testing.assert_close(explained.network(rows), wanted, rtol=1e-4, atol=1e-5)


def test_each_task_is_explained_by_its_own_network(data: Prepared, tmp_path: Path) -> None:
    many = made_experiment(explain={"rows": 20}, training={"epochs": 1, "seeds": 3, "batch_size": 32})
    chosen, places = [], {"far": (2, 0), "side": (0, 1), "odd": (1, 2)}
    for task, own in places.items():
        like = single_task(many, task)
        made = candidate(tmp_path / task, data, like, "single", task)
        chosen.append(Chosen(done(like, made.folder, "single", task=task), own))
    step = Explain(many, PREPARE, chosen)
    subjects = step._subjects()
    assert list(subjects) == ["side", "odd", "far"]
    for (task, (first, second)), it in zip(places.items(), chosen, strict=True):
        subject, path = subjects[task], it.trained.outputs / FILE
        assert subject.rows.shape == (20, 5)
        assert_answers(subject.network, data, path, first, it.trained.experiment, task)
        assert_answers(subject.another, data, path, second, it.trained.experiment, task)
    assert subjects["side"].reads_rows_of(subjects["odd"])
    assert not subjects["side"].reads_rows_of(subjects["far"])
    assert (step._whose(), step.tags()["headway.role"]) == ("a network for each task", "single")


def test_networks_of_several_shapes_are_found_in_their_files(data: Prepared, tmp_path: Path) -> None:
    like = made_experiment(training={"epochs": 1, "seeds": 2, "batch_size": 32})
    wide = with_values(like, {"model.trunk.widths": [9, 4]})
    slots = slots_of([like, wide], data)
    save(tmp_path, data, slots, [trained(data, [slot])[slot.name] for slot in slots])
    step = Explain(like, PREPARE, [Chosen(done(like, tmp_path, "tuned"), (1, 0))])
    for task, it in step._subjects().items():
        assert_answers(it.network, data, tmp_path / "model-1.safetensors", 0, wide, task)
        assert_answers(it.another, data, tmp_path / FILE, 0, like, task)
    assert step._whose() == "the tuned network (seed 1)"


def test_where_there_is_no_other_network_none_is_held_against_it(data: Prepared, tmp_path: Path) -> None:
    like = made_experiment(training={"epochs": 1, "seeds": 1, "batch_size": 32})
    made = candidate(tmp_path, data, like)
    step = Explain(like, PREPARE, [Chosen(done(like, made.folder))])
    assert all(it.another is None for it in step._subjects().values())
