"""Sentences whose tokens carry tags, from CoNLL files of one's own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.sources import TokensSettings
from pipeline.data.conll import OUTSIDE, UNKNOWN, Sentence, sentences
from pipeline.data.encodings.text import LONGEST
from pipeline.data.encodings.words import SPACES
from pipeline.data.sources import idx
from pipeline.data.sources.base import SPLITS, Declared, Examples, Fingerprint, Part, Place, Report, Streamed
from pipeline.errors import UserError

LABEL = "tags"
_ROWS = 4096


@dataclass(frozen=True)
class Tokens(Declared):
    """A declared source of sentences."""

    settings: TokensSettings

    def fingerprint(self, place: Place) -> Fingerprint:
        """The sha256 of every file, by what it is."""
        return Fingerprint(checksums(place, self.settings.paths()))

    def read(self, place: Place, report: Report) -> Examples:
        """Read the tags; tokens are a stream."""
        paths = {split: place.of(path) for split, path in self.settings.paths().items()}
        tags = Tags(self.encoder.settings.length or LONGEST)
        read = partial(sentences, column=self.settings.column, repair=self.settings.repair)
        rows = {split: tags.take(split, path, read(path)) for split, path in paths.items()}
        together = [split for split in ("train", "validation") if split in paths]
        return Examples(
            train=self._part(paths, tags, together, rows),
            test=self._part(paths, tags, ["test"], rows) if "test" in paths else None,
            classes={LABEL: tags.classes},
            encoder=self.encoder,
            reading={"parted": SPACES, "field": "text"},
        )

    def _part(self, paths: Mapping[str, Path], tags: "Tags", splits: Sequence[str], rows: Mapping[str, int]) -> Part:
        own = np.concatenate([np.full(rows[split], SPLITS.index(split), np.int8) for split in splits])
        files = [paths[split] for split in splits]
        inputs = Streamed(len(own), partial(_tokens, files))
        return Part(inputs, {LABEL: tags.labels(splits)}, split=own if len(splits) > 1 else None)


def _tokens(files: Sequence[Path]) -> Iterator[list[list[str]]]:
    """The tokens of some sentences at a time."""
    for path in files:
        found = sentences(path, column=None)
        while chunk := [sentence.tokens for sentence in islice(found, _ROWS)]:
            yield chunk


class Tags:
    """Gathers the tags of several files, which share their classes.

    Args:
        longest: Tags of a sentence that are kept.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._codes: dict[str, int] = {OUTSIDE: 0, UNKNOWN: -1}
        self._found: dict[str, list[np.ndarray]] = {}
        self._train: Path | None = None

    def take(self, split: str, path: Path, every: Iterator[Sentence]) -> int:
        """The tags of a split, train first, and how many sentences it has.

        Raises:
            UserError: Validation has a tag that train lacks.
        """
        rows = self._found.setdefault(split, [])
        for sentence in every:
            for place, tag in enumerate(sentence.tags):
                if tag not in self._codes:
                    self._check(split, path, sentence.line + place, tag)
                    self._codes[tag] = len(self._codes) - 1
            rows.append(np.array([self._codes[tag] for tag in sentence.tags[: self._longest]], np.int16))
        self._train = self._train or path
        return len(rows)

    @property
    def classes(self) -> list[str]:
        """`O` first, then the types by their letters, each with its B- before its I-."""
        known = [tag for tag in self._codes if tag not in (OUTSIDE, UNKNOWN)]
        types = sorted({tag[2:] for tag in known})
        return [OUTSIDE, *(f"{mark}-{kind}" for kind in types for mark in "BI")]

    def labels(self, splits: Sequence[str]) -> np.ndarray:
        """int16 [N, L] in the order of `classes`: -1 where unknown, and beyond the end of a sentence."""
        places = {tag: place for place, tag in enumerate(self.classes)}
        order = np.full(len(self._codes), -1, np.int16)
        for tag, code in self._codes.items():
            order[code] = places.get(tag, -1)  # that of unknown ones finds the last, which stays -1
        rows = [row for split in splits for row in self._found[split]]
        longest = max(len(row) for every in self._found.values() for row in every)
        found = np.full((len(rows), longest), -1, np.int16)
        for place, row in enumerate(rows):
            found[place, : len(row)] = order[row]
        return found

    def _check(self, split: str, path: Path, line: int, tag: str) -> None:
        if split == "validation":
            known = ", ".join(name for name in self._codes if name != UNKNOWN)
            raise UserError(f"{path}: line {line}: tag '{tag}' is unseen in training: {self._train} has {known}")


def checksums(place: Place, paths: Mapping[str, str]) -> dict[str, str]:
    """The sha256 of files, by what they are.

    Raises:
        UserError: One of them is not there.
    """
    found: dict[str, Any] = {}
    for what, path in paths.items():
        file = place.of(path)
        if not file.is_file():
            raise UserError(f"{file}: no such file")
        found[what] = idx.checksum(file)
    return found
