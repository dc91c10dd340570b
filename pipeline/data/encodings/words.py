"""Text as whole numbers: tokens, and for each token its word, its shape, its beginnings and its endings.

This file stands alone, as `pipeline.tracking.served_model` does: a copy of it goes into every model that reads text, so
that what is predicted is encoded as what was trained on.

A token becomes `COLUMNS` numbers, which a trunk looks up in one table and adds up (as fastText does with its subwords,
Bojanowski et al. 2017, arXiv 1607.04606, section 3.2): 0 is padding; the first column is the word (1 where it is
unknown, from 2 on those that train knows); the others are hashes. So a name that training never showed is still known
by how it is written.
"""

import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

PADDING, UNKNOWN, FIRST = 0, 1, 2

PREFIXES = (1, 2, 3)
SUFFIXES = (1, 2, 3, 4)
"""How many letters of a token's beginning and of its ending have a number each."""
COLUMNS = 2 + len(PREFIXES) + len(SUFFIXES)
"""C, numbers of a token: its word, its shape, its beginnings, its endings."""

SPACES, WORDS = "spaces", "words"
"""How a text is parted: where it has spaces, or into words and marks."""

_TOKEN = re.compile(r"https?://\S+|[@#]?\w+(?:['’]\w+)*|[^\w\s]")
_MOST_REMEMBERED = 1 << 16


def tokens_of(text: str, parted: str) -> list[str]:
    """The tokens of a text: `spaces` parts it where it has spaces, `words` into words, marks and addresses."""
    return text.split() if parted == SPACES else _TOKEN.findall(text)


def word_of(token: str) -> str:
    """What a token is looked up as: small letters, digits as 0, any address as `http`, any mention as `@user`."""
    if token.startswith(("http://", "https://", "www.")):
        return "http"
    if token.startswith("@") and len(token) > 1:
        return "@user"
    return re.sub(r"\d", "0", token.lower())


def shape_of(token: str) -> str:
    """How a token is written, runs shortened: `Xx` for Paris, `X` for NATO, `#x` for #nofilter, `d:d` for 10:30."""
    kinds = ("X" if it.isupper() else "x" if it.isalpha() else "d" if it.isdigit() else it for it in token)
    return re.sub(r"(.)\1+", r"\1", "".join(kinds))[:12]


class Words:
    """Turns tokens into numbers.

    Args:
        about: What the encoding knows: `words` in the order of their numbers, `buckets` of the hashes, and `length` T.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self.length: int = about["length"]
        self._numbers = {word: number for number, word in enumerate(about["words"], FIRST)}
        self._buckets: int = about["buckets"]
        self._begin = FIRST + len(self._numbers)
        self._known: dict[str, np.ndarray] = {}

    def encode(self, rows: Sequence[Sequence[str]]) -> np.ndarray:
        """Rows of tokens as int32 [B, T, C]; what is longer than T is cut."""
        found = np.zeros((len(rows), self.length, COLUMNS), np.int32)
        for row, tokens in enumerate(rows):
            if tokens:
                kept = [self._token(token) for token in tokens[: self.length]]
                found[row, : len(kept)] = kept
        return found

    def hashed(self, part: str) -> int:
        """The number of a shape, a beginning or an ending: `shape Xx`, `begins ber`, `ends lin`; padding for none."""
        return self._begin + zlib.crc32(part.encode()) % self._buckets if part else PADDING

    def _token(self, token: str) -> np.ndarray:
        if token not in self._known:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[token] = self._numbers_of(token)
        return self._known[token]

    def _numbers_of(self, token: str) -> np.ndarray:
        word = word_of(token)
        parts = [f"shape {shape_of(token)}"]
        if word not in ("http", "@user"):  # the letters of an address or a name that was chosen say nothing
            lower = token.lower()
            parts += [f"begins {lower[:size]}" if len(lower) >= size else "" for size in PREFIXES]
            parts += [f"ends {lower[-size:]}" if len(lower) >= size else "" for size in SUFFIXES]
        parts += [""] * (COLUMNS - 1 - len(parts))
        return np.array([self._numbers.get(word, UNKNOWN), *map(self.hashed, parts)], np.int32)


def pieces(texts: Sequence[Sequence[str]], length: int) -> tuple[list[Sequence[str]], list[int]]:
    """Rows of tokens cut into as many pieces as need be, one at least, and at which piece each row begins."""
    found: list[Sequence[str]] = []
    begins = []
    for tokens in texts:
        begins.append(len(found))
        found += [tokens[start : start + length] for start in range(0, max(len(tokens), 1), length)]
    return found, begins


def entities(tokens: Sequence[str], tags: Sequence[str]) -> list[dict[str, Any]]:
    """What BIO tags say: each entity's text, type, first token, and the token after its last.

    One begins at a B- tag, and at an I- tag that follows no tag of its own type.
    """
    found: list[dict[str, Any]] = []
    before = "O"
    for place, tag in enumerate(tags):
        if tag != "O" and (tag[0] == "B" or before[2:] != tag[2:]):
            found.append({"type": tag[2:], "start": place, "end": place + 1})
        elif tag != "O":
            found[-1]["end"] = place + 1
        before = tag
    return [{"text": " ".join(tokens[it["start"] : it["end"]]), **it} for it in found]
