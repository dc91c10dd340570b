"""Names, values and tables as hypothesis makes them, and the formats in which tables are written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import strategies as st

ROWS = 40

letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
WORDS = (
    "on", "no", "null", "007", "1e5", "2024", "NA", "true", "all", "a b", "a_b", "猫", "狗", "<b>x</b>", "x\ny", "a: b",
    " # x", "[x]", "{y}", "%20", "=1+1", "'", '"', ",", "-", "*", "?", "sepal length (cm)", "a/b", "..", "x" * 260,
)  # fmt: skip
names = st.one_of(st.sampled_from(WORDS), st.text(letters, min_size=1, max_size=12)).filter(lambda it: it.strip())
words = st.one_of(st.sampled_from(WORDS), st.text(letters, min_size=1, max_size=8))

# Training flushes denormal numbers to zero, with which hypothesis makes no floats.
numbers = st.one_of(st.integers(-(10**9), 10**9).map(lambda it: it / 1000), st.integers(-(10**9), 10**9).map(float))
spellings: list[st.SearchStrategy[Any]] = [
    numbers,
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from(["01067", "10115", "99084"]),
]


@st.composite
def inputs(draw: st.DrawFn, gaps: bool = True) -> list[Any]:
    """The values of one column, of one type; None where one is missing."""
    kind = draw(st.integers(0, len(spellings)))
    values = (
        spellings[kind] if kind < len(spellings) else st.sampled_from(draw(st.lists(words, min_size=2, max_size=4)))
    )
    if gaps and draw(st.booleans()):
        values = st.one_of(values, st.none())
    return draw(st.lists(values, min_size=ROWS, max_size=ROWS))


@st.composite
def classes(draw: st.DrawFn) -> list[str]:
    """A word a row, each of two to four words at least five times."""
    chosen = draw(st.lists(words.filter(str.strip), min_size=2, max_size=4, unique_by=lambda it: it.strip().lower()))
    order = draw(st.permutations(range(ROWS)))
    return [chosen[place % len(chosen)] for place in order]


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, str]:
    """A table of up to four inputs and a target of words, and the target's name."""
    called = draw(st.lists(names, min_size=2, max_size=5, unique_by=lambda it: it.strip()))
    target = called[draw(st.integers(0, len(called) - 1))]
    columns = {it: draw(classes() if it == target else inputs()) for it in called}
    return pd.DataFrame({it: pd.Series(values, dtype=_dtype(values)) for it, values in columns.items()}), target


def _dtype(values: list[Any]) -> str:
    """Of pandas, with gaps."""
    there = [it for it in values if it is not None]
    if all(isinstance(it, bool) for it in there):
        return "boolean"
    if all(isinstance(it, int) for it in there):
        return "Int64"
    return "Float64" if all(isinstance(it, float) for it in there) else "object"


def _csv(frame: pd.DataFrame, path: Path, separator: str = ",") -> None:
    """Words in quotes, gaps as nothing."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in [list(frame), *frame.astype(object).where(frame.notna(), None).itertuples(index=False)]:
            file.write(separator.join(map(_field, row)) + "\n")


def _field(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    return "" if value is None else str(value)


def _jsonl(frame: pd.DataFrame, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


FORMATS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv": _csv,
    "tsv": lambda frame, path: _csv(frame, path, "\t"),
    "parquet": lambda frame, path: frame.to_parquet(path, index=False),
    "jsonl": _jsonl,
}


def quoted(name: str) -> str:
    """A column's name as `--targets` reads it."""
    return '"' + name.replace('"', '""') + '"'
