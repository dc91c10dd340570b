"""One spelling of a value: types, canonical forms, their order, and which code a value gets however it is written."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.data.encodings.values import Codes, canonical, in_order, spelled, to_number, type_of


@pytest.mark.parametrize(
    ("words", "of"),
    [
        (["True", "false", " TRUE "], "boolean"),
        (["true", "1"], "text"),
        (["yes", "no"], "text"),
        (["1", "2.0", "1e3", "-.5", "0"], "number"),
        (["1", "01067"], "text"),
        (["00", "10"], "text"),
        (["+49", "30"], "text"),
        (["1", "inf"], "text"),
        (["1", "1e999"], "text"),
        (["1", "NaN"], "text"),
        (["1_000", "2"], "text"),
        (["1,5"], "text"),
        (["0x10"], "text"),
        (["\u0661"], "text"),  # a digit, and no decimal
        (["2024-01-05", "2024-01-05T10:30:00Z"], "time"),
        (["2024-01-05", "2024-13-05"], "text"),
        (["20240105"], "number"),
        ([], "text"),
    ],
)
def test_a_columns_type_is_that_of_all_its_spellings(words: list[str], of: str) -> None:
    assert type_of(words) == of


@pytest.mark.parametrize(
    ("of", "words", "written"),
    [
        ("boolean", ["True", "TRUE", "1", "1.0"], "true"),
        ("number", ["1", "1.0", "1.", "1e0", "+1", "01", " 1 ", "true"], "1"),
        ("number", ["1000", "1e3", "1000.0"], "1000"),
        ("number", ["0", "-0", "-0.0", "0e5", "false"], "0"),
        ("number", ["0.1", ".10", "1e-1"], "0.1"),
        ("number", ["9007199254740993", "9007199254740993.0"], "9007199254740993"),
        ("number", ["1e300", f"1{'0' * 300}"], "1e+300"),
        ("time", ["2024-01-05", "2024-01-05 00:00", "2024-01-05T00:00:00.000000000"], "2024-01-05"),
        ("time", ["2024-01-05 10:30:00.50", "2024-01-05T10:30:00.500000"], "2024-01-05 10:30:00.5"),
        ("time", ["2024-01-05T10:30:00Z", "2024-01-05 11:30:00+0100"], "2024-01-05 10:30:00Z"),
        ("text", ["01067"], "01067"),
        ("number", ["word"], "word"),
    ],
)
def test_all_spellings_of_a_value_are_written_alike(of: str, words: list[str], written: str) -> None:
    assert {canonical(word, of) for word in words} == {written}


def test_numbers_are_in_the_order_of_their_size_and_text_in_that_of_letters() -> None:
    assert in_order(["10", "9", "-1", "2.5", "9007199254740993", "9007199254740992"], "number") == [
        "-1", "2.5", "9", "10", "9007199254740992", "9007199254740993"
    ]  # fmt: skip
    assert in_order(["10", "9", "A", "nan"], "text") == ["10", "9", "A", "nan"]


@pytest.mark.parametrize(
    ("known", "of", "codes"),
    [
        (["01067", "10115"], "text", {"01067": 1, "1067": 1, "1067.0": 1, "10115.0": 2, "1068": 0, "": 0}),
        (["1", "2", "G"], "text", {"1": 1, "1.0": 1, "2.00": 2, "G": 3, "g": 0, "1.5": 0}),
        (["01", "1"], "text", {"01": 1, "1": 2, "1.0": 0}),  # two of them are this number
        (["1.1", "1.10", "v2"], "text", {"1.1": 1, "1.10": 2, "1.100": 0}),  # versions are no numbers
        (["False", "True", "unknown"], "text", {"true": 2, "false": 1, "1": 0}),
        (["2024-01-05", "later"], "text", {"2024-01-05 00:00:00": 1, "later": 2}),
        (["false", "true"], "boolean", {"FALSE": 1, "1": 2, "1.0": 2, "0": 1, "2": 0, "yes": 0}),
        (["1", "2"], "number", {"1.0": 1, "True": 1, "02": 2, "three": 0}),
        (["NA", "EU"], "text", {"NA": 1, "EU": 2}),
    ],
)
def test_a_value_has_one_code_however_it_is_written(known: list[str], of: str, codes: dict[str, int]) -> None:
    code = Codes(known, of)
    assert {word: code(word) for word in codes} == codes
    assert code(None) == 0


def test_words_for_gaps_are_gaps_unless_they_are_values() -> None:
    code = Codes(["a", "-"], "text", ["?", "-"])
    assert [code.is_gap(it) for it in ("?", "", None, "-", "b")] == [True, True, True, False, False]
    assert (code("-"), code("?")) == (2, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("01067", "01067"), (np.str_("a"), "a"), (b"caf\xc3\xa9", "café"), (True, "true"), (np.bool_(False), "false"),
        (7, "7"), (np.int8(7), "7"), (7.0, "7"), (0.1, "0.1"), (np.float32(0.1), "0.1"), (1e20, "1e+20"),
        (Decimal("1.50"), "1.5"), (Decimal("2.00"), "2"), (datetime.date(2024, 1, 5), "2024-01-05"),
        (datetime.datetime(2024, 1, 5), "2024-01-05"), (pd.Timestamp("2024-01-05 10:30"), "2024-01-05 10:30:00"),
        (np.datetime64("2024-01-05T00:00:00.000000000"), "2024-01-05"), (datetime.time(10, 30), "10:30:00"),
        (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_single_values_are_spelled_as_files_have_them(value: Any, text: str) -> None:
    assert spelled(value) == text


def test_numbers_are_read_from_all_that_spells_one() -> None:
    read = {"1.5": 1.5, " 2 ": 2.0, "007": 7.0, "+1": 1.0, "True": 1.0, "false": 0.0, "1e3": 1000.0}
    assert {word: to_number(word) for word in read} == read
    assert [to_number(word) for word in ("x", "1_000", "", "0x1", "yes")] == [None] * 5
