"""A look at the columns of a table: what is in them, what they could be, and in words why.

Identifiers, groups, splits, numbers, times, classes, several labels: a draft decides by these, and `inputs: auto`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pipeline.data.sources.split_by import WORDS
from pipeline.data.tables.typed import TableFile, count, is_number, numbers, words
from pipeline.errors import UserError

LOOKED_AT = 200_000
"""Rows that are looked at, the first ones."""

_SHOWN = 4
_MOST_DIFFERENT = 1 << 17  # values that are counted
_MOST_CATEGORIES = 1000
_MOST_CLASSES = 50
_MOST_LABELS = 100
_FEW_NUMBERS = 20  # so few different whole numbers are classes
_SEPARATORS = "|;,"
_GROUPS = re.compile(r"(?i)patient|subject|person|user|customer|group|family|site|[_ ]id$")


@dataclass
class Column:
    """What was found in one column.

    Attributes:
        name: Of it.
        type: As the table has it.
        counts: How often each value is there, as text; no longer complete where there are very many.
        rows: With a value.
        missing: Rows without one.
        low: The lowest number.
        high: The highest.
        whole: All numbers are whole.
    """

    name: str
    type: pa.DataType
    counts: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    missing: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    whole: bool = True

    def take(self, column: pa.Array) -> None:
        """The next rows."""
        self.rows += len(column) - column.null_count
        self.missing += column.null_count
        if len(self.counts) < _MOST_DIFFERENT:
            count(self.counts, words(column))
        if self.is_number:
            self._measure(column)

    def _measure(self, column: pa.Array) -> None:
        """Take the next rows as numbers; a column with a word in it holds none."""
        try:
            found = numbers(column)
        except pa.ArrowInvalid:
            self.type = pa.string()
            return
        found = found[np.isfinite(found)]
        if len(found):
            self.low, self.high = min(self.low, float(found.min())), max(self.high, float(found.max()))
            self.whole = self.whole and bool((found == np.round(found)).all())

    @property
    def different(self) -> int:
        """How many different values there are."""
        return len(self.counts)

    @property
    def is_number(self) -> bool:
        """It holds numbers (truth values are none)."""
        return is_number(self.type)

    @property
    def is_time(self) -> bool:
        """It holds dates or times."""
        return bool(pa.types.is_temporal(self.type))

    @property
    def is_name(self) -> bool:
        """Nearly every row has a value of its own."""
        return self.different >= 0.9 * min(self.rows, _MOST_DIFFERENT)

    @property
    def is_identifier(self) -> bool:
        """It is a name or a running number, and no measurement: these have fractions."""
        return self.rows > 20 and self.is_name and not self.is_time and (not self.is_number or self.whole)

    @property
    def is_flag(self) -> bool:
        """It holds 0 and 1, and both."""
        return self.is_number and self.whole and (self.low, self.high, self.different) == (0.0, 1.0, 2)

    @property
    def is_split(self) -> bool:
        """Its values name splits, train among them."""
        said = {value.strip().lower() for value in self.counts}
        return len(said) > 1 and said <= set(WORDS) and any(WORDS[word] == 0 for word in said)

    @property
    def is_group(self) -> bool:
        """It is called as groups are, and has values that occur more than once."""
        return bool(_GROUPS.search(self.name)) and 1 < self.different < 0.9 * self.rows

    @property
    def separator(self) -> str | None:
        """What parts several labels in one value, if anything does."""
        for mark in _SEPARATORS:
            if any(mark in value for value in self.counts) and 1 < len(self.words(mark)) <= _MOST_LABELS:
                return mark
        return None

    def words(self, mark: str) -> set[str]:
        """The labels that stand in its values."""
        return {word.strip() for value in self.counts for word in value.split(mark)}

    @property
    def unfit(self) -> str | None:
        """Why it is no input, in words; None where it can be one."""
        if not self.name:
            return "a column without a name, which nobody can send to the model"
        if self.different < 2:
            return "the same in every row" if self.different else "empty"
        if self.is_identifier:
            return "of which every row has its own: an identifier"
        if self.is_time:
            return "a time: to predict later rows from earlier ones, write `time:` and its name"
        if not self.is_number and self.different > _MOST_CATEGORIES:
            return f"text with {self.different:,} different values"
        return None

    @property
    def input_kind(self) -> str:
        """How it is read where it is an input."""
        return "numeric" if self.is_number else "categorical"

    @property
    def kind(self) -> str | None:
        """Of a task that predicts it; None where it is none to predict."""
        if self.different < 2:
            return None
        if self.is_number and not (self.whole and self.different <= _FEW_NUMBERS):
            return "regression"
        if not self.is_number and self.separator:
            return "multilabel"
        if self.different > min(_MOST_CLASSES, max(self.rows // 2, 2)):
            return None
        return "binary" if self.different == 2 else "multiclass"

    @property
    def why(self) -> str:
        """What it was judged by."""
        if self.different < 2:
            return f"has {'one value' if self.different else 'no value'} only"
        empty = f", {self.missing:,} rows without" if self.missing else ""
        return f"{self.different:,} different values{empty}"

    def described(self) -> str:
        """Its range, or its most frequent values, and what is missing."""
        if self.is_number and self.different > 2:
            text = f"{self.low:g} to {self.high:g}"
        else:
            there = max(self.rows, 1)
            text = ", ".join(f"{value} {count / there:.0%}" for value, count in self.counts.most_common(_SHOWN))
            text += f" ... {self.different} values" if self.different > _SHOWN else ""
        return text + (f"; {self.missing / (self.rows + self.missing):.1%} missing" if self.missing else "")


def look(file: TableFile, names: Iterable[str] | None = None) -> dict[str, Column]:
    """The columns of a table, by name, from its first rows.

    Args:
        file: The table.
        names: Of the columns; None for all.

    Raises:
        UserError: It has no row.
    """
    columns = {name: Column(name, file.types[name]) for name in (file.types if names is None else names)}
    wanted: Mapping[str, pa.DataType] = {
        # As they are spelled: an identifier may begin with zeros, and numbers may turn into words in later rows.
        name: column.type if column.is_time else pa.string()
        for name, column in columns.items()
    }
    rows = 0
    for batch in file.batches(wanted):
        for name, column in columns.items():
            column.take(batch.column(name))
        rows += batch.num_rows
        if rows >= LOOKED_AT:
            break
    if not rows:
        raise UserError(f"{file.path}: no rows")
    return columns
