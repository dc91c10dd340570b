"""Rows of numbers are put into words again."""

import numpy as np

from pipeline.data.encodings.readable import Readable
from pipeline.data.encodings.words import COLUMNS, Words, numbers

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog"]
ABOUT = {"by": "words", "length": 12, "columns": COLUMNS, "buckets": 8192, "words": WORDS}


def told(*tokens: str) -> list[str]:
    (row,) = Words(ABOUT).encode([tokens])
    return Readable(ABOUT).tokens(row)


def test_known_words_are_themselves_and_padding_is_nothing() -> None:
    assert told("The", "quick", "lazy") == ["the", "quick", "lazy"]
    assert told() == []


def test_of_other_words_the_ends_are_told() -> None:
    assert told("Heisenberg", "20240501") == ["hei…berg", "202…0501"]


def test_short_words_are_told_whole() -> None:
    assert told("ox", "dug", "dune", "Zelda") == ["ox", "dug", "dune", "zelda"]


def test_letters_that_train_does_not_have_are_not_told() -> None:
    assert told("☃", "☃☃☃☃☃") == ["?", "?"]
    assert told("☃yards") == ["…ards"]


def test_a_row_may_be_of_any_number_type() -> None:
    (row,) = Words(ABOUT).encode([["lazy", "Heisenberg"]])
    assert Readable(ABOUT).tokens(row.astype(np.float32)) == ["lazy", "hei…berg"]


def test_subwords_are_joined_to_their_tokens() -> None:
    about = {"by": "subwords", "length": 4, "columns": 6, "words": ["▁", "▁lazy", "▁do", "g", "s", "o"]}
    (row,) = numbers(about).encode([["lazy", "dogs", "oxo"]])
    readable = Readable(about)
    assert readable.tokens(row) == ["lazy", "dogs", "o?o"]
    assert readable.words[:4] == ("", "?", "", "lazy")
