"""Sources that an experiment declares: each kind has its own settings, and what is wrong with them is one line."""

import pytest

from pipeline.config import with_values
from pipeline.config.sources import ImagesSettings, Separated

from .files import read

TASKS = "tasks: {it: {kind: binary, source: own}}\n"


LABELLED = "kind: images, path: x, labels_file: y"


def declared(text: str, name: str = "own") -> str:
    return f"{TASKS}sources: {{{name}: {text}}}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("3", "sources.own: input should be a mapping of keys to values, found 3"),
        ("{path: x}", "'sources.own.kind' is missing"),
        ("{kind: imags, path: x}", "sources.own.kind: there is no kind of source 'imags' (did you mean 'images'?)"),
        ("{kind: images}", "'sources.own.path' is missing"),
        ("{kind: images, path: x, szie: [1, 2]}", "unknown key 'sources.own.szie' (did you mean 'size'?)"),
        ("{kind: table, path: x, input: {a: numeric}}", "unknown key 'sources.own.input' (did you mean 'inputs'?)"),
        ("{kind: images, path: x, size: [1, 0]}", "sources.own.size.1: input should be greater than 0, found 0"),
        ("{kind: images, path: x, size: 8}", "sources.own.size: input should be a list, found 8"),
        (f"{{{LABELLED}}}", "sources.own: id is missing: the column of labels_file that says which image"),
        ("{kind: images, path: x, group: y}", "sources.own: id, labels, group, time and split are columns"),
        (
            "{kind: table, path: x, inputs: {a: numeric, part: categorical}, split: part}",
            "sources.own: inputs: column 'part' says which split a row is in",
        ),
        (f"{{{LABELLED}, id: i, labels: {{f: {{colum: a}}}}}}", "unknown key 'sources.own.labels.f.colum' (did you"),
        (f"{{{LABELLED}, id: i, labels: {{f: [1]}}}}", "sources.own.labels.f.0: input should be a valid string"),
        ("{kind: medmnist}", "sources.own: give either path, of a file, or name"),
        ("{kind: medmnist, path: x, name: y}", "sources.own: give either path, of a file, or name"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_source_is_one_line(problem, text, line):
    assert problem(declared(text)).startswith(line)


@pytest.mark.parametrize("name", ["images", "table", "kind", "path"])
def test_a_source_called_like_a_kind_or_a_key_keeps_its_name_in_messages(problem, name):
    line = problem(declared("{kind: images, path: x, szie: [1, 2]}", name))
    assert line == f"unknown key 'sources.{name}.szie' (did you mean 'size'?)"


def test_an_unknown_kind_like_no_other_is_answered_with_all(problem):
    assert problem(declared("{kind: zebra}")).startswith(
        "sources.own.kind: there is no kind of source 'zebra' (table, images, medmnist,"
    )


def test_several_labels_are_columns_or_the_words_of_one(written):
    text = "{kind: images, path: x, labels_file: y, id: i, labels: {a: [b, c], d: {column: e, separator: ';'}}}"
    own = written(declared(text)).sources["own"]
    assert own.labels == {"a": ("b", "c"), "d": Separated(column="e", separator=";")}


def test_a_source_survives_being_written_and_changed(written):
    text = "{kind: images, path: x, labels_file: y, id: i, size: [8, 9], labels: {a: [b], d: {column: e}}}"
    experiment = written(declared(text))
    again = with_values(experiment, {"sources.own.channels": "grey"})
    own = again.sources["own"]
    assert isinstance(own, ImagesSettings)
    assert (own.size, own.channels, own.labels) == ((8, 9), "grey", experiment.sources["own"].labels)
    assert read(again, "prepare", "sources") == {
        "sources.own.channels": "grey", "sources.own.id": "i", "sources.own.kind": "images",
        "sources.own.labels.a": ["b"], "sources.own.labels.d.column": "e", "sources.own.size": [8, 9],
    }  # fmt: skip
