"""A look at the columns of a table: what is in them, in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.tables.typed import TableFile, numbers, words
from pipeline.errors import UserError

LOOKED_AT = 200_000
"""Rows that a draft is made from, the first ones."""

_SHOWN = 4
_MOST = 1 << 17  # different values that are counted


@dataclass
class Column:
    """What was found in one column.

    Attributes:
        name: Of it.
        kind: As the table has it.
        rows: Looked at.
        missing: How many of them lack a value.
        values: How often each is there, as text; no longer complete where there are very many.
        low: The lowest number.
        high: The highest.
        whole: All numbers are whole.
    """

    name: str
    kind: pa.DataType
    rows: int = 0
    missing: int = 0
    values: Counter[str] = field(default_factory=Counter)
    low: float = float("inf")
    high: float = float("-inf")
    whole: bool = True

    @property
    def is_number(self) -> bool:
        """It holds numbers (truth values are none)."""
        return bool(pa.types.is_integer(self.kind) or pa.types.is_floating(self.kind) or pa.types.is_decimal(self.kind))

    @property
    def is_time(self) -> bool:
        """It holds dates or times."""
        return bool(pa.types.is_temporal(self.kind))

    @property
    def different(self) -> int:
        """How many different values there are."""
        return len(self.values)

    @property
    def is_identifier(self) -> bool:
        """Each row has a value of its own, as names and running numbers have; fractions are measurements."""
        own = self.different >= 0.95 * (self.rows - self.missing)
        return self.rows > 20 and own and not self.is_time and (not self.is_number or self.whole)

    def take(self, column: pa.Array) -> None:
        """The next rows."""
        self.rows += len(column)
        self.missing += column.null_count
        if len(self.values) < _MOST:
            for one in pc.value_counts(words(column).drop_null()).to_pylist():
                self.values[one["values"]] += one["counts"]
        if self.is_number and len(found := _known(numbers(column))):
            self.low, self.high = min(self.low, float(found.min())), max(self.high, float(found.max()))
            self.whole = self.whole and bool((found == np.round(found)).all())

    def described(self) -> str:
        """In words."""
        if self.is_number and self.different > 2:
            text = f"{self.low:g} to {self.high:g}"
        else:
            there = max(self.rows - self.missing, 1)
            text = ", ".join(f"{value} {count / there:.0%}" for value, count in self.values.most_common(_SHOWN))
            if self.different > _SHOWN:
                text += f" ... {self.different} values"
        return text + (f"; {self.missing / self.rows:.1%} missing" if self.missing else "")


def look(file: TableFile) -> dict[str, Column]:
    """The columns of a table, by name, from its first rows.

    Raises:
        UserError: It has no row.
    """
    columns = {name: Column(name, kind) for name, kind in file.types.items()}
    wanted: Mapping[str, pa.DataType] = {
        name: kind if column.is_number or column.is_time else pa.string()
        for (name, kind), column in zip(file.types.items(), columns.values(), strict=True)
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


def giving_away(file: TableFile, inputs: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    """Columns each of whose values goes with one value of a target, and which target that is.

    Args:
        file: The table, of which the first rows are looked at.
        inputs: Columns that might give something away.
        targets: Columns that are to be predicted.
    """
    seen: dict[tuple[str, str], dict[str, str | None]] = {(name, target): {} for name in inputs for target in targets}
    rows = 0
    for batch in file.batches(dict.fromkeys([*inputs, *targets], pa.string())):
        values = {name: batch.column(name).to_pylist() for name in (*inputs, *targets)}
        for (name, target), own in list(seen.items()):
            pairs = {pair for pair in zip(values[name], values[target], strict=True) if None not in pair}
            if any(own.setdefault(value, answer) != answer for value, answer in pairs):
                del seen[name, target]
        rows += batch.num_rows
        if rows >= LOOKED_AT or not seen:
            break
    return {name: target for (name, target), own in seen.items() if len(own) > 1}


def _known(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = values[np.isfinite(values)]
    return found
