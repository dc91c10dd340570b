"""Parts of the user's own in an experiment file."""

import pytest

from pipeline.config import with_values
from pipeline.config.sources import OwnSettings

from .files import read

HEAD = "tasks: {it: {kind: binary, source: own}}\nmodel: {head: "


def tasks(more: str, kind: str = "binary") -> str:
    return f"tasks: {{it: {{kind: {kind}, source: own, {more}}}}}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (tasks("loss: hubber", "regression"), "tasks.it.loss: there is no loss 'hubber' (did you mean 'huber'?)"),
        (tasks("loss: zebra"), "tasks.it.loss: there is no loss 'zebra' (cross_entropy, or package.module"),
        (tasks("loss: huber"), "tasks.it: loss=huber is for regression tasks; this one is binary"),
        (tasks("loss_arguments: {a: 1}"), "tasks.it: loss=cross_entropy takes no loss_arguments: leave them out"),
        (tasks("loss: 'a:B', focal: 2.0"), "tasks.it: focal is for the built-in cross-entropy"),
        (tasks("metrics: [f1]"), "tasks.it.metrics.0: a part of your own is named as package.module:Name, found 'f1'"),
        (tasks("metrics: 'a:b'"), "tasks.it.metrics: input should be a list, found 'a:b'"),
        (f"{HEAD}{{arguments: {{a: 1}}}}}}", "model.head: head 'linear' does not use arguments={'a': 1}: leave it out"),
        (f"{HEAD}{{kind: 'a:B', widths: [3]}}}}", "model.head: head 'a:B' does not use widths=[3]: leave it out"),
        (
            tasks("focal: 0.0") + "\nsources: {own: {kind: 'a:B', argumens: {}}}",
            "unknown key 'sources.own.argumens' (did you mean 'arguments'?)",
        ),
        (
            tasks("focal: 0.0") + "\nsources: {own: {kind: 'a:B-', path: x}}",
            "sources.own.kind: there is no kind of source 'a:B-' (table,",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_them_is_one_line(problem, text, line):
    assert problem(text).startswith(line)


def test_a_source_of_ones_own_survives_being_written_and_changed(written):
    experiment = written(tasks("focal: 0.0") + "\nsources: {own: {kind: 'a.b:C', path: x, arguments: {n: 3}}}")
    again = with_values(experiment, {"sources.own.arguments.n": 4})
    assert again.sources["own"] == OwnSettings(kind="a.b:C", path="x", arguments={"n": 4})
    assert read(again, "prepare", "sources") == {
        "sources.own.arguments.n": 4, "sources.own.kind": "a.b:C"
    }  # fmt: skip


def test_what_a_task_does_not_say_changes_no_key(written):
    assert read(written(tasks("focal: 0.0")), "train") == {
        "tasks.it.kind": "binary", "tasks.it.source": "own"
    }  # fmt: skip
