"""Rows of numbers as tokens again, as far as the numbers tell: prepared data do not keep the text itself."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from pipeline.data.encodings.words import PADDING, PREFIXES, UNKNOWN, Words, numbers

_MIDDLE = "…"
_SURE = 2  # letters that a beginning and an ending share, so that they are taken for one word
_DIGITS = "0123456789"


class Readable:
    """Reads what `Numbers` have written.

    Args:
        about: What the encoding knows.

    Attributes:
        words: By the number of a token's first column, the word or its beginning: nothing for padding, `?` where it is
            unknown.
        unknown: The number of a token of which nothing is known.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self._numbers = numbers(about)
        self.unknown = self._numbers.unknown
        size = 2 + len(about["words"]) if "words" in about else int(about["ids"])  # numbers of a first column
        self.words = ("", *(self._numbers.shown([number]) for number in range(1, size)))
        self._letters = [it for it, _ in Counter(chain(_DIGITS, *about.get("words", ()))).most_common()]

    def tokens(self, row: np.ndarray) -> list[str]:
        """The tokens of a row [T, C], as they are looked up: words in small letters, digits as 0.

        Of a word that train has too rarely its first three and last four letters are found again from their hashes, as
        `hei…berg`; `?` where even these are none that train knows.
        """
        return [self._token(own) for own in row.astype(int).tolist() if own[0] != PADDING]

    def _token(self, own: Sequence[int]) -> str:
        word, *others = own
        if word != UNKNOWN or not isinstance(self._numbers, Words):
            return self._numbers.shown([number for number in own if number != PADDING])
        parts = others[1:]
        begin = self._found(parts[: len(PREFIXES)], "begins", lambda known, letter: known + letter)
        end = self._found(parts[len(PREFIXES) :], "ends", lambda known, letter: letter + known)
        if parts[-1] == PADDING:  # it is so short that its ending is all of it
            return end or "?"
        shared = next((size for size in range(len(begin), _SURE - 1, -1) if end.startswith(begin[-size:])), 0)
        if shared:
            return begin + end[shared:]
        return f"{begin}{_MIDDLE}{end}" if begin or end else "?"

    def _found(self, hashes: Sequence[int], what: str, longer: Callable[[str, str], str]) -> str:
        """The letters that have these numbers: each size is the one before and one letter more."""
        known = ""
        assert isinstance(self._numbers, Words)
        for number in hashes:
            tried = (longer(known, letter) for letter in self._letters)
            more = next((it for it in tried if self._numbers.hashed(f"{what} {it}") == number), None)
            if more is None:
                break
            known = more
        return known
