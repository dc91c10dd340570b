"""The encoding of text: one vocabulary for all sources of text, from their training rows."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pipeline.config.data import VocabularySettings
from pipeline.data.encodings.words import COLUMNS, FIRST, Words, word_of
from pipeline.errors import UserError

Tokens = Sequence[Sequence[str]]
"""A chunk of a stream of text: the tokens of each row."""

LONGEST = 128
"""Tokens of a row at most, where the experiment does not say it."""

_KEPT_WHOLE = 0.995  # of the training rows
_MOST_WORDS = 1 << 21


@dataclass(frozen=True)
class TextEncoding:
    """How tokens become rows.

    Attributes:
        about: `kind` text; `length` T, `columns` C, `ids` (how many numbers there are), `buckets`, and `words` in the
            order of their numbers from 2.
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
    def _words(self) -> Words:
        return Words(self.about)

    def encode(self, chunk: Tokens) -> np.ndarray:
        """int32 [B, T, C]."""
        return self._words.encode(chunk)

    def cut(self, chunk: Tokens) -> np.ndarray:
        """Which rows are longer than T, bool [B]."""
        return np.array([len(row) > self.length for row in chunk], bool)


@dataclass(frozen=True)
class TextEncoder:
    """Fits the encoding of all sources of text.

    Attributes:
        settings: Sizes.
        family: All text is of one.
    """

    settings: VocabularySettings
    family: str = "text"

    def fit(self, chunks: Iterable[tuple[Tokens, np.ndarray]]) -> TextEncoding:
        """See `pipeline.data.sources.Encoder`.

        Raises:
            UserError: No training row has a token.
        """
        found: Counter[str] = Counter()
        lengths: Counter[int] = Counter()
        for chunk, where in chunks:
            for row in np.flatnonzero(where).tolist():
                found.update(map(word_of, chunk[row]))
                lengths[len(chunk[row])] += 1
            if len(found) > _MOST_WORDS:
                found = Counter({word: count for word, count in found.items() if count > 1})
        if not found:
            raise UserError("sources of text: no row of train has any token")
        often = [word for word, count in found.items() if count >= self.settings.min_count]
        words = sorted(often, key=lambda word: (-found[word], word))[: self.settings.words]
        about = {"kind": "text", "length": self.settings.length or _length(lengths), "columns": COLUMNS}
        about |= {"ids": FIRST + len(words) + self.settings.buckets, "buckets": self.settings.buckets, "words": words}
        return TextEncoding(about)


def _length(lengths: Counter[int]) -> int:
    """As many tokens as nearly all rows keep to."""
    left = _KEPT_WHOLE * lengths.total()
    for length in sorted(lengths):
        left -= lengths[length]
        if left <= 0:
            return max(1, min(length, LONGEST))
    raise AssertionError
