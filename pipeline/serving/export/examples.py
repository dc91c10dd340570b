"""Rows to compare an exported model with the original on: missing, unknown and extreme values among them.

Legend of shapes: B rows, T tokens of a text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.data.encodings import words
from pipeline.data.encodings.dates import seconds_of
from pipeline.data.encodings.hashed_words import hashed_rows
from pipeline.data.encodings.rows import CATEGORICAL, DATE, FREE_TEXT, codes_of
from pipeline.data.encodings.values import NumberFormat
from pipeline.data.tables import pixel_columns
from pipeline.serving.rows import TEXT
from pipeline.serving.specification import SourceSpec

ROWS = 64
_SAID = ["the", "a", "New", "York", "running", "2024", "!", "#tag", "@someone", "https://example.org/x"]
_UNKNOWN = "no value that training showed"


@dataclass
class Example:
    """Rows of a source, as a caller of the original gives them, and as a program takes them.

    Attributes:
        frame: For the original.
        tensors: For the program, by its inputs.
        texts: What stands for the codes of categories, by the same names.
    """

    frame: pd.DataFrame
    tensors: dict[str, Tensor]
    texts: dict[str, list[str]] = field(default_factory=dict)


def example(name: str, source: SourceSpec) -> Example:
    """Rows of a source, always the same ones."""
    draws = np.random.default_rng(0)
    if source.kind == "text":
        return _texts(name, source, draws)
    return _table(name, source, draws) if source.kind == "table" else _pixels(name, source, draws)


def _pixels(name: str, source: SourceSpec, draws: np.random.Generator) -> Example:
    """Values of a source's range, rows of its lowest and its highest among them, and one of other values."""
    values = draws.uniform(0.0, source.scale, (ROWS, int(np.prod(source.shape)))).astype(np.float32)
    values[0], values[1], values[2] = 0.0, source.scale, -source.scale
    frame = pd.DataFrame(values.astype(np.float64), columns=pixel_columns(values.shape[1]))
    return Example(frame, {name: torch.from_numpy(values).reshape(-1, *source.shape)})


def _texts(name: str, source: SourceSpec, draws: np.random.Generator) -> Example:
    """Known and unknown words, an empty text, and one as long as the network reads."""
    about = source.encoding or {}
    known = [it for it in about.get("words", ())[:2000] if it.strip() and it.isprintable()]
    pool = np.array([*_SAID, *known], object)
    lengths = draws.integers(1, about["length"] + 1, ROWS)
    lengths[:2] = about["length"], 0
    texts = [" ".join(draws.choice(pool, length)) for length in lengths]
    tokens = [words.tokens_of(it, about["parted"])[: about["length"]] for it in texts]
    texts = [" ".join(own) for own in tokens]  # what parts into no more tokens than these
    tokens = [words.tokens_of(it, about["parted"])[: about["length"]] for it in texts]
    ids = words.numbers(about).encode(tokens)
    return Example(pd.DataFrame({TEXT: pd.Series(texts, dtype=object)}), {name: torch.from_numpy(ids).long()})


def _table(name: str, source: SourceSpec, draws: np.random.Generator) -> Example:
    about = source.encoding or {}
    codes, frame, made = codes_of(about), dict[str, Any](), Example(pd.DataFrame(), {})
    for column in about["columns"]:
        own, key = column["name"], f"{name}/{column['name']}"
        if column["kind"] == CATEGORICAL:
            texts = _dealt([*column["values"], "", _UNKNOWN], draws)
            frame[own], made.texts[key] = pd.Series(texts, dtype=object), texts
            made.tensors[key] = torch.tensor([int(codes[own](it)) for it in texts])
        elif column["kind"] == FREE_TEXT:
            texts = _dealt([" ".join(draws.choice(_SAID, length)) for length in range(8)], draws)
            frame[own] = pd.Series(texts, dtype=object)
            made.tensors[key] = torch.from_numpy(hashed_rows(texts, np.arange(ROWS), column["width"])).float()
        elif column["kind"] == DATE:
            dates = _dealt(["", "0001-01-01", "9999-12-31 23:59:59.5", *_dates(draws)], draws)
            frame[own] = pd.Series(dates, dtype=object)
            seconds = [np.nan if not it else seconds_of(it) for it in dates]
            made.tensors[key] = torch.tensor(seconds, dtype=torch.float64)
        else:
            gaps = NumberFormat.of(about).numbers(about.get("missing") or ())
            frame[own] = np.array(_dealt([*_numbers(column, draws), *gaps], draws))
            made.tensors[key] = torch.from_numpy(frame[own])
    made.frame = pd.DataFrame(frame)
    return made


def _numbers(column: Mapping[str, Any], draws: np.random.Generator) -> list[float]:
    """Missing ones, and numbers within and beyond what training showed."""
    mean, std = column["mean"], column["std"]
    ends = [end for at in column.get("clip", ()) for end in (at, at - std, at + std)]
    return [np.nan, mean, 0.0, mean - 10 * std, mean + 10 * std, *ends, *draws.normal(mean, std, 20).tolist()]


def _dates(draws: np.random.Generator) -> Iterator[str]:
    """Days and moments, leap days among them."""
    yield from ("2000-02-29", "1900-02-28", "1900-03-01", "1969-12-31 23:59:59", "2024-12-31", "2023-01-01")
    for second in draws.integers(-(1 << 31), 1 << 32, 20).tolist():
        yield str(np.datetime64(second, "s")).replace("T", " ")


def _dealt(values: Sequence[Any], draws: np.random.Generator) -> list[Any]:
    """Each value, as far as there are rows, and some of them again."""
    places = np.concatenate([draws.permutation(len(values)), draws.integers(0, len(values), ROWS)])[:ROWS]
    return [values[place] for place in places]
