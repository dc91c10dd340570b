"""Labels read from the columns of a table, a batch of rows at a time: classes, several labels at once, or numbers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.config.sources import Separated
from pipeline.data.encodings.columns import each
from pipeline.data.encodings.values import canonical, in_order, type_of
from pipeline.data.tables.lines import EMPTY
from pipeline.data.tables.typed import numbers, place_of, refuse_too_large
from pipeline.errors import UserError
from pipeline.kinds import kind_of

_MOST_LABELS = 1000
_SHORT = np.iinfo(np.int16).max  # classes that fit into the smaller labels


class Growing:
    """An array that is appended to, and never copied as a whole."""

    def __init__(self, dtype: type) -> None:
        self._bytes, self._dtype = bytearray(), np.dtype(dtype)

    def take(self, values: np.ndarray) -> None:
        """Append values."""
        self._bytes += np.ascontiguousarray(values, self._dtype).data.cast("B")

    def array(self) -> np.ndarray:
        """All of them, flat."""
        return np.frombuffer(self._bytes, self._dtype)


class LabelReader(ABC):
    """Gathers one label of every row.

    Args:
        label: Its name.
        columns: Where it stands.

    Attributes:
        learnt: Which rows are not given to test, bool [N]; None for all.
    """

    learnt: np.ndarray | None = None
    type: pa.DataType = pa.float64()
    kept: type = float  # what values are kept as

    def __init__(self, label: str, columns: Sequence[str]) -> None:
        self.label, self.columns = label, tuple(columns)
        self._values = Growing(self.kept)

    @abstractmethod
    def take(self, path: Path, done: int, batch: pa.RecordBatch) -> None:
        """The next rows.

        Raises:
            UserError: A value is none that this label can have.
        """

    @abstractmethod
    def labels(self) -> np.ndarray:
        """Of all rows, as `pipeline.data.sources.Part` has them."""

    @property
    def classes(self) -> list[str]:
        """Names of the classes or labels; of numbers none."""
        return []


class NumberReader(LabelReader):
    """A number a row."""

    def take(self, path: Path, done: int, batch: pa.RecordBatch) -> None:
        """See `LabelReader`."""
        values = numbers(batch.column(self.columns[0]))
        refuse_too_large(path, done, values, self.columns[0])
        self._values.take(values)

    def labels(self) -> np.ndarray:
        """float64 [N]."""
        return self._values.array()


class SeveralReader(LabelReader):
    """Several columns of 0 and 1."""

    kept = np.float32

    def take(self, path: Path, done: int, batch: pa.RecordBatch) -> None:
        """See `LabelReader`."""
        values = np.stack([numbers(batch.column(name)) for name in self.columns], 1)
        wrong = ~(np.isnan(values) | (values == 0) | (values == 1))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            where = place_of(path, done, int(row), self.columns[column])
            raise UserError(f"{where}: {values[row, column]:g} is neither 0 nor 1; leave it empty if it is unknown")
        self._values.take(values)

    def labels(self) -> np.ndarray:
        """float32 [N, L]."""
        return self._values.array().reshape(-1, len(self.columns))

    @property
    def classes(self) -> list[str]:
        """The columns."""
        return list(self.columns)


class ClassReader(LabelReader):
    """A word a row: each different one is a class, by the type of those that are not given to test."""

    type, kept = pa.string(), np.int32

    def __init__(self, label: str, columns: Sequence[str]) -> None:
        super().__init__(label, columns)
        self._codes: dict[str, int] = {}

    def take(self, path: Path, done: int, batch: pa.RecordBatch) -> None:
        """See `LabelReader`."""
        column = batch.column(self.columns[0])
        self._values.take(each(column, lambda word: self._codes.setdefault(word, len(self._codes) + 1)))

    def labels(self) -> np.ndarray:
        """int16 [N], numbered in the order of `classes`; int32 where these are too many."""
        order = [-1, *self._known[1]]  # 0 is a missing one
        return np.array(order, np.int16 if len(order) <= _SHORT else np.int32)[self._values.array()]

    @property
    def classes(self) -> list[str]:
        """Numbers by their size, others by their letters; those of test rows alone behind them."""
        return self._known[0]

    @cached_property
    def _known(self) -> tuple[list[str], list[int]]:
        codes = self._values.array() if self.learnt is None else self._values.array()[self.learnt]
        return spelled(list(self._codes), np.bincount(codes, minlength=len(self._codes) + 1)[1:] > 0)


def spelled(words: Sequence[str], learnt: Sequence[bool] | np.ndarray) -> tuple[list[str], list[int]]:
    """The classes that words are, as those alone spell and order them that are learnt.

    Args:
        words: Different ones.
        learnt: Which of them rows have that are not test.

    Returns:
        The classes: numbers by their size, others by their letters, those that are not learnt behind them; and the
        place of each word's.
    """
    known_words = [word for word, there in zip(words, learnt, strict=True) if there]
    of = type_of(known_words)
    known = {canonical(word, of) for word in known_words}
    classes = in_order(known, of) + sorted({canonical(word, of) for word in words} - known)
    places = {word: place for place, word in enumerate(classes)}
    return classes, [places[canonical(word, of)] for word in words]


class SeparatedReader(LabelReader):
    """Gathers the words of every row; each different one is a label.

    Args:
        label: Its name.
        settings: Where the words stand, and how they are parted.
    """

    type = pa.string()

    def __init__(self, label: str, settings: Separated) -> None:
        super().__init__(label, [settings.column])
        self._settings = settings
        self._codes: dict[str, int] = {}
        self._rows, self._found = Growing(np.int64), Growing(np.int32)
        self._unknown = Growing(np.int64)
        self._done = 0

    def take(self, path: Path, done: int, batch: pa.RecordBatch) -> None:
        """See `LabelReader`."""
        for row, text in enumerate(batch.column(self.columns[0]).to_pylist()):
            words = self._words(text)
            if words is None:
                self._unknown.take(np.array([self._done + row]))
                continue
            if "" in words:
                raise UserError(
                    f"{place_of(path, done, row, self.columns[0])}: '{text}' has an empty label "
                    f"before or after '{self._settings.separator}'"
                )
            codes = [self._codes.setdefault(word, len(self._codes)) for word in words]
            self._rows.take(np.full(len(codes), self._done + row))
            self._found.take(np.array(codes, np.int32))
        self._done += batch.num_rows  # of all files, each of which counts its rows anew
        if len(self._codes) > _MOST_LABELS:
            raise UserError(
                f"{path}: column '{self.columns[0]}' has more than {_MOST_LABELS:,} labels: "
                f"are they parted by '{self._settings.separator}'?"
            )

    def _words(self, text: str | None) -> list[str] | None:
        """A row's labels; None where they are unknown."""
        text, none = (text or "").strip(), self._settings.none
        if text in (none, EMPTY):
            return []
        return [word.strip() for word in text.split(self._settings.separator)] if text else None

    def labels(self) -> np.ndarray:
        """float32 [N, L]."""
        place = np.array([self.classes.index(word) for word in self._codes], np.int64)
        values = np.zeros((self._done, len(place)), np.float32)
        if len(place):
            values[self._rows.array(), place[self._found.array()]] = 1.0
        values[self._unknown.array()] = np.nan
        return values

    @property
    def classes(self) -> list[str]:
        """The words, by their letters."""
        return sorted(self._codes)


def reader_of(label: str, kind: str, several: Sequence[str] | Separated | None, source: str) -> LabelReader:
    """The reader of a label for a task of this kind.

    Args:
        label: Its name.
        kind: Of the task.
        several: Where a label stands that is several: its columns, or the one column with all of them.
        source: For messages.

    Raises:
        UserError: The label is several and the kind one, or the other way round.
    """
    if kind_of(kind).form == "labels":
        if several is None:
            raise UserError(f"{source}: a multilabel task needs several columns: list them under labels.{label}")
        return SeparatedReader(label, several) if isinstance(several, Separated) else SeveralReader(label, several)
    if isinstance(several, Separated):
        several_words = f"label '{label}' has several words a row, which is for multilabel tasks, not {kind}"
        raise UserError(f"{source}: {several_words}")
    if several is not None:
        raise UserError(f"{source}: label '{label}' has several columns, which is for multilabel tasks; one is {kind}")
    return (NumberReader if kind_of(kind).is_number else ClassReader)(label, [label])
