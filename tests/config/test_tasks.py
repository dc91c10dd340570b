"""Each kind of task has its own settings."""

import pytest

from pipeline.config import flatten, read_stored
from pipeline.config.tasks import TaskSettings

FLAT = {"label": None, "loss": "squared", "loss_arguments": {}, "clip": "range", "class_weights": "equal", "focal": 0.0,
        "metrics": []}  # fmt: skip
"""What earlier versions listed of a task of any kind."""


def one(kind, **more):
    return {"name": "it", "tasks": {"a": {"kind": kind, "source": "s", **more}}}


@pytest.mark.parametrize("kind", TaskSettings.choices)
def test_a_task_as_earlier_versions_stored_it_is_read(kind):
    assert read_stored(one(kind, **FLAT)) == read_stored(one(kind))


def test_what_was_set_of_it_is_kept():
    tasks = read_stored(one("multilabel", **FLAT | {"loss": "a:B", "class_weights": "balanced"})).tasks
    assert (tasks["a"].loss, tasks["a"].class_weights) == ("a:B", "balanced")
    tasks = read_stored(one("regression", **FLAT | {"loss": "huber", "clip": None})).tasks
    assert (tasks["a"].loss, tasks["a"].clip) == ("huber", None)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("binary", {"class_weights", "focal", "loss_arguments", "metrics"}),
        ("regression", {"clip", "loss_arguments", "metrics"}),
        ("tagging", {"class_weights", "focal"}),
    ],
)
def test_a_task_names_the_settings_of_its_kind_alone(kind, names):
    found = {key.removeprefix("tasks.a.") for key in flatten(read_stored(one(kind))) if key.startswith("tasks.a.")}
    assert found == {"kind", "label", "loss", "source"} | names


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("kind: regression, focal: 2.0", "kind of task 'regression' does not use focal=2.0: leave it out"),
        ("kind: tagging, metrics: ['a:b']", "kind of task 'tagging' does not use metrics=['a:b']: leave it out"),
        ("kind: tagging, loss: 'a:B'", "loss=a:B is for multiclass, binary, multilabel, regression tasks; this one is"),
        ("kind: tagging, loss: absolute", "loss=absolute is for regression tasks; this one is tagging"),
    ],
)
def test_settings_of_other_kinds_are_refused(problem, task, line):
    assert problem(f"tasks: {{a: {{{task}, source: s}}}}").startswith(f"tasks.a: {line}")


def test_the_loss_that_every_task_had_is_still_taken(written):
    assert written("tasks: {a: {kind: binary, source: s, loss: squared}}").tasks["a"].loss == "cross_entropy"
