"""Text becomes numbers by what train knows, and entities become spans."""

import numpy as np
import pytest

from pipeline.config.data import VocabularySettings
from pipeline.data.encodings.text import TextEncoder
from pipeline.data.encodings.words import (
    COLUMNS,
    SPACES,
    UNKNOWN,
    WORDS,
    Words,
    entities,
    pieces,
    shape_of,
    tokens_of,
    word_of,
)
from pipeline.errors import UserError

TRAIN = [["The", "cat"], ["the", "dog", "@ann", "@bob"], ["a", "cat"]]


def fitted(**settings):
    encoder = TextEncoder(VocabularySettings.of(settings))
    return encoder.fit([(TRAIN, np.array([True, True, False])), ([["cat"] * 9], np.array([False]))])


def test_words_are_counted_in_training_rows_alone():
    assert fitted(min_count=1).about["words"] == ["@user", "the", "cat", "dog"]
    assert fitted().about["words"] == ["@user", "the"]
    assert fitted(words=1).about["words"] == ["@user"]


def test_rows_are_as_long_as_nearly_all_training_rows_or_as_asked():
    assert fitted().shape == (4, COLUMNS)
    assert fitted(length=2).shape == (2, COLUMNS)
    assert fitted().cut([["a"] * 5, ["a"] * 4, []]).tolist() == [True, False, False]


def test_tokens_are_told_apart_by_word_and_else_by_how_they_are_written():
    encoding = fitted(min_count=1)
    (row,) = encoding.encode([["THE", "zebra", "Zebra"]])
    assert row.dtype == np.int32
    assert row[0, 0] == 2 + encoding.about["words"].index("the")
    assert row[1, 0] == row[2, 0] == UNKNOWN
    assert row[1, 1] != row[2, 1]  # the shape
    assert (row[1, 2:] == row[2, 2:]).all()  # beginnings and endings
    assert not row[3].any()
    assert row.max() < encoding.about["ids"]
    again = Words(encoding.about).encode([["THE", "zebra", "Zebra", "one", "too many"]])
    assert (again[0, :3] == row[:3]).all()


def test_no_token_at_all_is_an_error():
    with pytest.raises(UserError, match="no row of train has any token"):
        TextEncoder(VocabularySettings.of({})).fit([([[], []], np.array([True, True]))])


def test_texts_are_parted_into_words_marks_mentions_and_addresses():
    assert tokens_of("It's 5:30 @ann, #win http://x.y/z?a=1 :)", WORDS) == [
        "It's", "5", ":", "30", "@ann", ",", "#win", "http://x.y/z?a=1", ":", ")"
    ]  # fmt: skip
    assert tokens_of(" a  b. ", SPACES) == ["a", "b."]


@pytest.mark.parametrize(
    ("token", "word", "shape"),
    [("Paris", "paris", "Xx"), ("NATO", "nato", "X"), ("10:30", "00:00", "d:d"), ("@Ann", "@user", "@Xx"),
     ("https://t.co/1", "http", "x:/x.x/d"), ("ÉCOLE", "école", "X")],
)  # fmt: skip
def test_a_token_is_looked_up_without_its_case_and_digits(token, word, shape):
    assert (word_of(token), shape_of(token)) == (word, shape)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O", []),
        ("B-a I-a O", [("a", 0, 2)]),
        ("B-a B-a", [("a", 0, 1), ("a", 1, 2)]),
        ("O I-a I-a", [("a", 1, 3)]),
        ("B-a I-b", [("a", 0, 1), ("b", 1, 2)]),
    ],
)
def test_tags_say_entities(tags, spans):
    found = entities(["w"] * 3, tags.split())
    assert [(it["type"], it["start"], it["end"]) for it in found] == spans
    assert all(it["text"] == " ".join(["w"] * (it["end"] - it["start"])) for it in found)


def test_long_texts_are_cut_into_pieces_that_join_to_the_whole():
    texts = [list("abcde"), [], list("ab")]
    found, begins = pieces(texts, 2)
    assert begins == [0, 3, 4]
    assert [list("".join(it)) for it in found] == [["a", "b"], ["c", "d"], ["e"], [], ["a", "b"]]
