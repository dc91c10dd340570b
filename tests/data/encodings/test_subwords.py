"""Subwords are learnt from training rows alone, the same ones every time, and words are parted into them."""

import importlib.util
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from pipeline.config.data import VocabularySettings
from pipeline.data.encodings.subwords import learnt
from pipeline.data.encodings.text import TextEncoder, TextEncoding
from pipeline.data.encodings.words import MARK, UNKNOWN, Subwords, numbers
from pipeline.errors import Failure
from tests.conftest import REPOSITORY

pytest.importorskip("tokenizers")

TRAIN = [["low", "lower", "lowest", "newest", "low", "@ann"], ["newest", "widest", "http://x.y/z", "@bob", "low"]]


def fitted(rows: Any = TRAIN, **settings: Any) -> TextEncoding:
    encoder = TextEncoder(VocabularySettings.of({"kind": "subwords", **settings}))
    return encoder.fit([(rows, np.ones(len(rows), bool)), ([["zebra"] * 9], np.array([False]))])


def parted(encoding: TextEncoding, token: str) -> list[str]:
    names = ["", "?", *encoding.about["words"]]
    (row,) = encoding.encode([[token]])
    return [names[it] for it in row[0] if it]


def test_frequent_neighbours_are_merged() -> None:
    found = learnt({f"{MARK}aab": 3, f"{MARK}ab": 2}, 64, 2)
    assert found == ["a", "b", MARK, "ab", "aab", f"{MARK}aab", f"{MARK}ab"]
    assert learnt({f"{MARK}aab": 3}, 64, 4) == [MARK]


def test_a_token_is_parted_into_the_longest_subwords_that_train_has() -> None:
    encoding = fitted()
    assert parted(encoding, "low") == [f"{MARK}low"]
    assert parted(encoding, "lowest") == [f"{MARK}low", "est"]
    assert parted(encoding, "slowz")[-1] == "?"
    assert parted(encoding, "@zoe") == parted(encoding, "@ann") == [f"{MARK}@user"]
    assert "z" not in "".join(encoding.about["words"])  # what is not train's is not learnt from, nor are addresses


def test_a_row_is_padded_and_cut_in_both_directions() -> None:
    encoding = fitted(length=2)
    made = Subwords(encoding.about)
    rows = encoding.encode([["low", "newest", "low"], []])
    assert rows.shape == (2, *encoding.shape)
    assert rows[0, 0, 0] == made.of("low")[0]
    assert not rows[1].any()
    assert rows.max() < encoding.about["ids"]
    assert np.count_nonzero(encoding.encode([["xxxxxxxxxxxxxxxxxxxxxxxx"]])) == encoding.shape[1]
    assert encoding.cut([["low"] * 3, ["low"] * 2]).tolist() == [True, False]


def test_tokens_are_shown_as_they_are_parted() -> None:
    made = numbers(fitted().about)
    assert [made.shown(made.of(token)) for token in ("lowest", "@ann", "Ω")] == ["lowest", "@user", "?"]


def test_there_are_no_more_subwords_than_asked_for_however_many_letters() -> None:
    letters = "".join(chr(0x4E00 + place) for place in range(500))
    found = fitted([[letter] * 3 for letter in letters] + TRAIN * 5, subwords=64)
    assert len(found.about["words"]) <= 64
    assert parted(found, "low") == [f"{MARK}low"]
    rare = fitted([[letter] for letter in letters], min_count=1, subwords=64)
    assert rare.encode([[letters[-1]]])[0, 0, 1] == UNKNOWN


def test_the_same_rows_give_the_same_subwords_in_every_process() -> None:
    program = (
        "import hashlib, random\n"
        "from pipeline.data.encodings.subwords import learnt\n"
        "draws = random.Random(0)\n"
        "words = {''.join(draws.choices('abcdefgh', k=draws.randint(1, 9))): i % 4 + 1 for i in range(3000)}\n"
        "print(hashlib.sha256('|'.join(learnt(words, 900, 2)).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "012"
    }
    assert len(found) == 1


def test_the_extra_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Failure, match=r"kind=subwords needs .*: pip install 'headway\[transformers\]'$"):
        fitted()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"kind": "subwords", "words": 9}, "kind of vocabulary 'subwords' does not use words=9: leave it out"),
        ({"subwords": 99}, "kind of vocabulary 'words' does not use subwords=99: leave it out"),
    ],
)
def test_settings_are_those_of_the_kind(given: dict, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        VocabularySettings.of(given)
