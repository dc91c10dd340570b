"""What the columns of a file of labels look like: identifiers, groups, splits, classes, numbers, several labels."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import pyarrow as pa

from pipeline.config.tasks import Kind
from pipeline.data.sources.split_by import WORDS
from pipeline.data.tables.typed import TableFile
from pipeline.errors import UserError

ROWS = 100_000
"""So many rows are looked at."""
_MOST_DIFFERENT = 2000
_MOST_CLASSES = 50
_MOST_LABELS = 100
_FEW_NUMBERS = 10  # so few different whole numbers are classes
_SEPARATORS = "|;,"
_GROUPS = re.compile(r"(?i)patient|subject|person|user|group|family|site")


@dataclass
class Column:
    """One column, as far as it was looked at.

    Attributes:
        name: As the file has it.
        counts: How often each value occurs, of the first few thousand different ones.
        rows: With a value.
        missing: Rows without one.
    """

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    missing: int = 0

    def take(self, values: pa.Array) -> None:
        """The next rows."""
        for value in values.to_pylist():
            if value is None:
                self.missing += 1
                continue
            self.rows += 1
            if value in self.counts or len(self.counts) < _MOST_DIFFERENT:
                self.counts[value] += 1

    @property
    def is_name(self) -> bool:
        """Whether nearly every row has another value."""
        return len(self.counts) >= 0.9 * min(self.rows, _MOST_DIFFERENT)

    @property
    def is_flag(self) -> bool:
        """Whether it holds 0 and 1, and both."""
        return {_number(value) for value in self.counts} == {0.0, 1.0}

    @property
    def is_split(self) -> bool:
        """Whether its values name splits, train among them."""
        words = {value.strip().lower() for value in self.counts}
        return len(words) > 1 and words <= set(WORDS) and any(WORDS[word] == 0 for word in words)

    @property
    def is_group(self) -> bool:
        """Whether it is called as groups are, and has values that occur more than once."""
        return bool(_GROUPS.search(self.name)) and 1 < len(self.counts) < self.rows

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
    def kind(self) -> str | None:
        """Of a task that predicts it; None where it is none to predict."""
        different = len(self.counts)
        if different < 2:
            return None
        numbers = [_number(value) for value in self.counts]
        if all(number is not None for number in numbers):
            whole = all(number == int(number) for number in numbers if number is not None)
            if not (whole and different <= _FEW_NUMBERS):
                return "regression"
        elif self.separator:
            return "multilabel"
        if different > min(_MOST_CLASSES, self.rows // 2):
            return None
        return "binary" if different == 2 else "multiclass"

    @property
    def why(self) -> str:
        """What it was judged by."""
        different = len(self.counts)
        if different < 2:
            return f"has {'one value' if different else 'no value'} only"
        some = "2,000 or more" if different == _MOST_DIFFERENT else f"{different:,}"
        empty = f", {self.missing:,} rows without" if self.missing else ""
        return f"{some} different values{empty}"


def looked_at(table: TableFile) -> dict[str, Column]:
    """The columns of the first rows.

    Raises:
        UserError: There are none.
    """
    columns = {name: Column(name) for name in table.types}
    rows = 0
    for batch in table.batches(dict.fromkeys(columns, pa.string())):
        for name, column in columns.items():
            column.take(batch.column(name))
        rows += batch.num_rows
        if rows >= ROWS:
            break
    if not rows:
        raise UserError(f"{table.path}: no rows")
    return columns


def check_targets(columns: Mapping[str, Column], targets: Mapping[str, str], flags: Sequence[str]) -> None:
    """Check the targets that a user names: columns, or one name for all columns of 0 and 1.

    Raises:
        UserError: There is no such column or kind.
    """
    kinds = get_args(Kind)
    for name, kind in targets.items():
        if kind and kind not in kinds:
            raise UserError(f"--targets: '{kind}' of '{name}' is no kind of task; they are {', '.join(kinds)}")
    others = [name for name in targets if name not in columns]
    if len(others) > 1 or any(targets[name] not in ("multilabel", "") or not flags for name in others):
        raise UserError(f"--targets: no column '{others[0]}'; the columns are {', '.join(columns)}")


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
