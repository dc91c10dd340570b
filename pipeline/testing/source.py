"""Conformance of sources of one's own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from pipeline.config.sources import OwnSettings
from pipeline.data.sources import Part, Place
from pipeline.data.sources.own import Own
from pipeline.testing.base import Conformance


class SourceConformance(Conformance):
    """Tests of a source of one's own: a class with `fingerprint(place)` and `read(place, report)`.

    Attributes:
        file: Its `path` in an experiment; null where it has none.
        project: The folder that relative paths begin at.
    """

    file: ClassVar[str | None] = None
    project: ClassVar[Path] = Path()

    def source(self) -> Own:
        """The source as an experiment makes it, which checks all that it answers."""
        return Own("tested", OwnSettings(kind=self.path, path=self.file, arguments=dict(self.arguments)))

    def place(self) -> Place:
        """Where it finds its files."""
        return Place("full", self.project, None, self.project, self.project)

    def test_its_fingerprint_is_the_same_twice_and_can_be_written_as_json(self) -> None:
        """It is part of the key of `prepare`."""
        first, second = (self.source().fingerprint(self.place()) for _ in range(2))
        assert first == second, f"{first} is not {second}"
        assert json.loads(json.dumps(first.checksums)) == first.checksums

    def test_its_examples_are_what_they_should_be(self) -> None:
        """Arrays of as many rows as there are inputs, labels within their classes."""
        examples = self.source().read(self.place(), print)
        assert examples.classes, "has no labels"

    def test_its_classes_can_be_written_as_json(self) -> None:
        """They are kept in prepared data and models."""
        classes = self.source().read(self.place(), print).classes
        assert json.loads(json.dumps(classes)) == classes

    def test_it_reads_the_same_twice(self) -> None:
        """Rows, their order and their labels."""
        one, other = (self.source().read(self.place(), print) for _ in range(2))
        pairs = [(one.train, other.train), *([(one.test, other.test)] if one.test and other.test else [])]
        for first, second in pairs:
            for mine, its in zip(_chunks(first), _chunks(second), strict=True):
                assert np.array_equal(mine, its), "its rows differ from one reading to the next"
            for name, labels in first.labels.items():
                same = np.array_equal(labels, second.labels[name], equal_nan=labels.dtype.kind == "f")
                assert same, f"'{name}' differs from one reading to the next"


def _chunks(part: Part) -> Iterator[np.ndarray]:
    if isinstance(part.inputs, np.ndarray):
        yield part.inputs
    else:
        yield from (np.asarray(chunk) for chunk in part.inputs.chunks())
