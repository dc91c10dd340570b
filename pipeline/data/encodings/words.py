"""Text as whole numbers: tokens, and for each token a few numbers that stand for it.

A copy of this file goes into every model that reads text, so that what is predicted is encoded as what was trained on.

A token becomes C numbers, which a trunk looks up in one table and adds up (as fastText does with its subwords,
Bojanowski et al. 2017, arXiv 1607.04606, section 3.2): 0 is padding, 1 is what train does not know. So a name that
training never showed is still known by how it is written. There are several
ways to make them, and `numbers` knows which.
"""

import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

PADDING, UNKNOWN, FIRST = 0, 1, 2
_NO_WORDS = ("", "?")

PREFIXES = (1, 2, 3)
SUFFIXES = (1, 2, 3, 4)
"""How many letters of a token's beginning and of its ending have a number each."""
COLUMNS = 2 + len(PREFIXES) + len(SUFFIXES)
"""C, numbers of a token: its word, its shape, its beginnings, its endings."""

SPACES, WORDS = "spaces", "words"
"""How a text is parted: where it has ASCII spaces, tabs or ends of lines, or into words and marks."""

CHOSEN = ("http", "@user")
"""What addresses and mentions are looked up as: the letters of a name that was chosen say nothing."""

MARK = "\u2581"

_TOKEN = re.compile(r"https?://\S+|[@#]?\w+(?:['’]\w+)*|[^\w\s]")
_SPACED = re.compile(r"[^ \t\r\n]+")
_MOST_REMEMBERED = 1 << 16


def tokens_of(text: str, parted: str) -> list[str]:
    r"""The tokens of a text.

    `words` parts it into words, marks and addresses; `spaces` where it has spaces, tabs and ends of lines, and at no
    other space of Unicode: a no-break space is part of a token.

    >>> tokens_of("10\u00a0000 kr.", SPACES)
    ['10\xa0000', 'kr.']
    >>> tokens_of("10\u00a0000 kr.", WORDS)
    ['10', '000', 'kr', '.']
    """
    return (_SPACED if parted == SPACES else _TOKEN).findall(text)


def word_of(token: str) -> str:
    """What a token is looked up as: small letters, digits as 0, any address as `http`, any mention as `@user`."""
    if token.startswith(("http://", "https://", "www.")):
        return "http"
    if token.startswith("@") and len(token) > 1:
        return "@user"
    return re.sub(r"\d", "0", token.lower())


def spelt_of(token: str) -> str:
    """The letters that subwords are parts of: a mark where the token begins, then it, an address or a mention in short.

    The mark is SentencePiece's (Kudo and Richardson 2018, arXiv 1808.06226).
    """
    word = word_of(token)
    return f"{MARK}{word if word in CHOSEN else token}"


def shape_of(token: str) -> str:
    """How a token is written, runs shortened: `Xx` for Paris, `X` for NATO, `#x` for #nofilter, `d:d` for 10:30."""
    kinds = ("X" if it.isupper() else "x" if it.isalpha() else "d" if it.isdigit() else it for it in token)
    return re.sub(r"(.)\1+", r"\1", "".join(kinds))[:12]


class Numbers:
    """Turns tokens into numbers.

    Args:
        about: What the encoding knows, with `length` T and `columns` C.

    Attributes:
        unknown: The number of a token of which nothing is known.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self.length: int = about["length"]
        self.columns: int = about["columns"]
        self.unknown = UNKNOWN
        self._known: dict[str, np.ndarray] = {}

    def encode(self, rows: Sequence[Sequence[str]]) -> np.ndarray:
        """Rows of tokens as int32 [B, T, C]; what is longer than T is cut."""
        found = np.zeros((len(rows), self.length, self.columns), np.int32)
        for row, tokens in enumerate(rows):
            if tokens:
                kept = [self._token(token) for token in tokens[: self.length]]
                found[row, : len(kept)] = kept
        return found

    def of(self, token: str) -> list[int]:
        """A token's numbers, the first of them no padding; those beyond C are lost."""
        raise NotImplementedError

    def shown(self, own: Sequence[int]) -> str:
        """What the numbers of a token, without padding, say of it; `?` is unknown."""
        raise NotImplementedError

    def _token(self, token: str) -> np.ndarray:
        if token not in self._known:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            own = self.of(token)[: self.columns]
            self._known[token] = np.array(own + [PADDING] * (self.columns - len(own)), np.int32)
        return self._known[token]


class Words(Numbers):
    """A token's word (from 2 on those that train knows), then hashes of its shape, its beginnings and its endings.

    Args:
        about: What the encoding knows: beside the rest `words` in the order of their numbers, and `buckets` of the
            hashes.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__(about)
        self._numbers = {word: number for number, word in enumerate(about["words"], FIRST)}
        self._buckets: int = about["buckets"]
        self._begin = FIRST + len(self._numbers)
        self._shown = [*_NO_WORDS, *about["words"]]

    def of(self, token: str) -> list[int]:
        """See `Numbers`."""
        word = word_of(token)
        parts = [f"shape {shape_of(token)}"]
        if word not in CHOSEN:
            lower = token.lower()
            parts += [f"begins {lower[:size]}" if len(lower) >= size else "" for size in PREFIXES]
            parts += [f"ends {lower[-size:]}" if len(lower) >= size else "" for size in SUFFIXES]
        return [self._numbers.get(word, UNKNOWN), *map(self.hashed, parts)]

    def hashed(self, part: str) -> int:
        """The number of a shape, a beginning or an ending: `shape Xx`, `begins ber`, `ends lin`; padding for none."""
        return self._begin + zlib.crc32(part.encode()) % self._buckets if part else PADDING

    def shown(self, own: Sequence[int]) -> str:
        """See `Numbers`."""
        return self._shown[own[0]]


class Subwords(Numbers):
    """The longest subwords that a token consists of, from its beginning on.

    To take the longest one each time needs no list of merges, and parts words as well as the merges do (Uzan et al.
    2024, "Greed is all you need: an evaluation of tokenizer inference methods", arXiv 2403.01289).

    Args:
        about: What the encoding knows: beside the rest `words`, the subwords in the order of their numbers.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        super().__init__(about)
        self._numbers = {subword: number for number, subword in enumerate(about["words"], FIRST)}
        self._longest = max(map(len, about["words"]))
        self._shown = [*_NO_WORDS, *about["words"]]

    def of(self, token: str) -> list[int]:
        """See `Numbers`."""
        return self.parts(spelt_of(token))

    def parts(self, spelt: str) -> list[int]:
        """The numbers of what is spelt so, at most C."""
        found: list[int] = []
        start = 0
        while start < len(spelt) and len(found) < self.columns:
            ends = range(min(start + self._longest, len(spelt)), start, -1)
            end = next((end for end in ends if spelt[start:end] in self._numbers), start + 1)
            found.append(self._numbers.get(spelt[start:end], UNKNOWN))
            start = end
        return found

    def shown(self, own: Sequence[int]) -> str:
        """See `Numbers`."""
        return "".join(self._shown[number] for number in own).removeprefix(MARK)


class Tokenized(Numbers):
    """What the tokenizer of a pretrained encoder makes of a token, one more each: 0 is padding.

    Args:
        about: What the encoding knows: beside the rest `tokenizer`, as the package tokenizers writes it, and `frame`
            with the number `unknown`, and `most`, how many numbers of a row the encoder can take.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        from tokenizers import Tokenizer  # needed here alone

        super().__init__(about)
        self._tokenizer = Tokenizer.from_str(about["tokenizer"])
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.unknown = 1 + about["frame"]["unknown"]
        self._most: int | None = about["frame"]["most"]

    def encode(self, rows: Sequence[Sequence[str]]) -> np.ndarray:
        """See `Numbers`; where the numbers of a row are too many for the encoder, its long tokens lose their ends."""
        found = super().encode(rows)
        for column in range(self.columns - 1, 0, -1) if self._most else ():
            found[(found != PADDING).sum((1, 2)) > self._most, :, column] = PADDING
        return found

    def of(self, token: str) -> list[int]:
        """See `Numbers`."""
        made = self._tokenizer.encode([token], is_pretokenized=True, add_special_tokens=False)
        return [1 + number for number in made.ids] or [self.unknown]

    def shown(self, own: Sequence[int]) -> str:
        """See `Numbers`."""
        said: str = self._tokenizer.decode([number - 1 for number in own], skip_special_tokens=False)
        return said.strip()


_KINDS = {"words": Words, "subwords": Subwords, "tokenizer": Tokenized}


def numbers(about: dict[str, Any]) -> Numbers:
    """What turns tokens into numbers, from what an encoding knows: its kind stands under `by`."""
    return _KINDS[about["by"]](about)


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
