"""The encoding of text: one vocabulary for all sources of text, from their training rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from pipeline.config.data import SubwordVocabulary, VocabularySettings, WordVocabulary
from pipeline.data.encodings.pretrained import tokenizer_of
from pipeline.data.encodings.subwords import learnt
from pipeline.data.encodings.words import (
    COLUMNS,
    FIRST,
    SPACES,
    WORDS,
    Numbers,
    Subwords,
    Tokenized,
    numbers,
    spelt_of,
    word_of,
)
from pipeline.errors import UserError

Tokens = Sequence[Sequence[str]]
"""A chunk of a stream of text: the tokens of each row."""

LONGEST = 128
"""Tokens of a row at most, where the experiment does not say it."""

_NEARLY_ALL = 0.995  # of the training rows, or of their tokens
_MOST_COLUMNS = 16  # subwords of a token
_WIDE = {"length": 1, "columns": _MOST_COLUMNS}
_MOST_WORDS = 1 << 21


@dataclass(frozen=True)
class TextEncoding:
    """How tokens become rows.

    Attributes:
        about: `kind` text; `by`, what its numbers stand for; `length` T, `columns` C, `ids` (how many numbers there
            are), and what `pipeline.data.encodings.words` needs of each kind.
    """

    about: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, C)."""
        return self.about["length"], self.about["columns"]

    @property
    def length(self) -> int:
        """T, the most tokens of a row."""
        return int(self.about["length"])

    @cached_property
    def _numbers(self) -> Numbers:
        return numbers(self.about)

    def encode(self, chunk: Tokens) -> np.ndarray:
        """int32 [B, T, C]."""
        return self._numbers.encode(chunk)

    def cut(self, chunk: Tokens) -> np.ndarray:
        """Which rows are longer than T, or have more numbers than a pretrained encoder can take, bool [B]."""
        return np.array([len(row) > self.length or self._overflows(row) for row in chunk], bool)

    def _overflows(self, row: Sequence[str]) -> bool:
        most = most_of(self.about)
        if most is None or len(row) * self._numbers.columns <= most:
            return False
        return sum(len(self._numbers.of(token)[: self._numbers.columns]) for token in row) > most


@dataclass(frozen=True)
class TextEncoder:
    """Fits the encoding of all sources of text.

    Attributes:
        settings: How, and sizes.
        pretrained: The encoder whose tokenizer makes the numbers; None where a vocabulary of the training rows does.
        family: All text is of one.
    """

    settings: VocabularySettings
    pretrained: str | None = None
    family: str = "text"

    @property
    def parted(self) -> str:
        """How texts are parted into tokens: a pretrained tokenizer knows by itself what to do with marks."""
        return SPACES if self.pretrained else WORDS

    def fit(self, chunks: Iterable[tuple[Tokens, np.ndarray]]) -> TextEncoding:
        """See `pipeline.data.sources.Encoder`.

        Raises:
            UserError: No training row has a token, or the pretrained encoder is not what it should be.
            Failure: A package that is needed is not installed.
        """
        found: Counter[str] = Counter()
        lengths: Counter[int] = Counter()
        looked_up, about = self._kind
        for chunk, where in chunks:
            for row in np.flatnonzero(where).tolist():
                found.update(map(looked_up, chunk[row]))
                lengths[len(chunk[row])] += 1
            if len(found) > _MOST_WORDS:
                found = Counter({word: count for word, count in found.items() if count > 1})
        if not found:
            raise UserError("sources of text: no row of train has any token")
        own = {"kind": "text", "length": self.settings.length or _enough(lengths, LONGEST), **about(found)}
        if most := most_of(own):
            own["length"] = min(own["length"], most)
        return TextEncoding(own)

    @property
    def _kind(self) -> tuple[Callable[[str], str], Callable[[Counter[str]], dict[str, Any]]]:
        """What tokens are counted as, and what an encoding knows from these counts."""
        if self.pretrained:
            return str, self._tokenized
        if isinstance(self.settings, SubwordVocabulary):
            return spelt_of, partial(_subwords, self.settings)
        assert isinstance(self.settings, WordVocabulary)
        return word_of, partial(_words, self.settings)

    def _tokenized(self, found: Counter[str]) -> dict[str, Any]:
        assert self.pretrained is not None
        about = {"by": "tokenizer", **tokenizer_of(self.pretrained)}
        return about | {"columns": _columns(Tokenized(about | _WIDE).of, found)}


def _words(settings: WordVocabulary, found: Counter[str]) -> dict[str, Any]:
    often = [word for word, count in found.items() if count >= settings.min_count]
    words = sorted(often, key=lambda word: (-found[word], word))[: settings.words]
    ids = FIRST + len(words) + settings.buckets
    return {"by": "words", "columns": COLUMNS, "ids": ids, "buckets": settings.buckets, "words": words}


def _subwords(settings: SubwordVocabulary, found: Counter[str]) -> dict[str, Any]:
    words = learnt(found, settings.subwords, settings.min_count)
    about = {"by": "subwords", "ids": FIRST + len(words), "words": words}
    made = Subwords(about | _WIDE)
    return about | {"columns": _columns(made.parts, found)}


def most_of(about: Mapping[str, Any]) -> int | None:
    """How many numbers of a row a pretrained encoder can take; None where there is none, or it takes any."""
    return about.get("frame", {}).get("most")


def _columns(numbers_of: Callable[[str], list[int]], found: Counter[str]) -> int:
    """As many numbers as nearly all tokens have."""
    sizes: Counter[int] = Counter()
    for token, count in found.items():
        sizes[len(numbers_of(token))] += count
    return _enough(sizes, _MOST_COLUMNS)


def _enough(sizes: Counter[int], most: int) -> int:
    """The size that nearly all keep to, at most so many."""
    left = _NEARLY_ALL * sizes.total()
    for size in sorted(sizes):
        left -= sizes[size]
        if left <= 0:
            return max(1, min(size, most))
    raise AssertionError
