"""What may be said of clipping, and which keys it changes."""

import pytest

from pipeline.config import with_values

from .files import read

TABLE = "kind: table, path: x, inputs: {a: numeric}"
TASKS = "tasks: {it: {kind: regression, source: own}}\n"


def declared(more: str, kind: str = TABLE) -> str:
    return f"{TASKS}sources: {{own: {{{kind}{more}}}}}"


@pytest.mark.parametrize("kind", [TABLE, "kind: sklearn, dataset: diabetes"])
def test_tables_of_numbers_are_clipped_unless_they_say_null(written, kind):
    assert written(declared("", kind)).sources["own"].clip == (0.001, 0.999)
    assert written(declared(", clip: [0, 0.99]", kind)).sources["own"].clip == (0.0, 0.99)
    for nothing in ("null", "none"):
        assert written(declared(f", clip: {nothing}", kind)).sources["own"].clip is None


@pytest.mark.parametrize(
    ("clip", "line"),
    [
        ("[0.9, 0.1]", "sources.own.clip: two quantiles, 0 <= low < high <= 1, such as [0.001, 0.999], or null; found"),
        ("[0.5, 0.5]", "sources.own.clip: two quantiles, 0 <= low < high <= 1"),
        ("[-0.1, 0.9]", "sources.own.clip: two quantiles, 0 <= low < high <= 1"),
        ("[1, 99]", "sources.own.clip: two quantiles, 0 <= low < high <= 1"),
        ("[0.1]", "'sources.own.clip.1' is missing"),
        ("[0.1, 0.2, 0.3]", "sources.own.clip: should have at most 2 items, not 3, found (0.1, 0.2, 0.3)"),
        ("0.01", "sources.own.clip: input should be a list, found 0.01"),
        ("[a, b]", "sources.own.clip.0: input should be a valid number, found 'a'"),
        ("[.nan, 1]", "sources.own.clip.0: input should be a finite number"),
    ],
)
def test_what_are_no_two_quantiles_is_refused_in_one_line(problem, clip, line):
    assert problem(declared(f", clip: {clip}")).startswith(line)


def test_answers_of_numbers_keep_to_the_range_of_training_unless_they_say_null(written):
    assert written(declared("")).tasks["it"].clip == "range"
    assert written(declared(""), tasks__it__clip=None).tasks["it"].clip is None


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel", "tagging"])
def test_answers_that_are_no_numbers_cannot_be_clipped(problem, kind):
    text = f"tasks: {{it: {{kind: {kind}, source: own, clip: null}}}}\nsources: {{own: {{{TABLE}}}}}"
    assert problem(text) == f"tasks.it: clip=null is for regression tasks; this one is {kind}"


def test_a_task_knows_no_other_clipping(problem):
    text = f"tasks: {{it: {{kind: regression, source: own, clip: [0, 1]}}}}\nsources: {{own: {{{TABLE}}}}}"
    assert problem(text).startswith("tasks.it.clip: input should be 'range', found [0, 1]")


def test_clipping_as_it_is_by_default_changes_no_key(written):
    given = declared(", clip: [0.001, 0.999]").replace("source: own}", "source: own, clip: range}")
    experiment = written(given)
    assert not [key for key in read(experiment, "prepare") if key.endswith("clip")]
    other = with_values(experiment, {"sources.own.clip": None, "tasks.it.clip": None})
    assert read(other, "prepare").items() >= {"sources.own.clip": None, "tasks.it.clip": None}.items()
