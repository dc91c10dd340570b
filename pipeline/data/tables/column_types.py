"""Types of columns: which of them can be inputs or labels, and as what."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from pipeline.data.tables.columns import some
from pipeline.errors import UserError

_LONG = 60  # letters of a nested type that a message shows


def plain(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values, however they are stored: text is `string`, a dictionary what it holds."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers; truth values are none."""
    kind = plain(kind)
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    kind = plain(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind))


def is_date(kind: pa.DataType) -> bool:
    """Whether a column of this type holds dates, with a time of day or without."""
    kind = plain(kind)
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def is_readable(kind: pa.DataType) -> bool:
    """Whether a column of this type can be an input or a label: no list, struct, bytes or duration can."""
    return is_number(kind) or is_text(kind) or is_date(kind) or bool(pa.types.is_boolean(plain(kind)))


def no_input(kind: pa.DataType) -> str:
    """Why a column of a type that is not readable is neither input nor label."""
    text = str(kind)
    text = text if len(text) <= _LONG else f"{text[:_LONG]} ..."
    return f"{text}, which is no number, text, date or truth value"


def unified(kinds: Iterable[pa.DataType]) -> pa.DataType | None:
    """One type for a column that several files have; None where their values are of different kinds.

    A column without any value goes with all.
    """
    found = {kind for it in kinds if not pa.types.is_null(kind := plain(it))}
    if len(found) < 2:
        return next(iter(found), pa.null())
    if all(map(is_number, found)):
        return pa.int64() if all(map(pa.types.is_signed_integer, found)) else pa.float64()
    return pa.timestamp("us") if all(map(is_date, found)) else None


def check_there(
    path: Path, wanted: Iterable[str], found: Mapping[str, pa.DataType], unreadable: Mapping[str, str]
) -> None:
    """Check that a table has these columns.

    Args:
        path: Of the table.
        wanted: Names of columns.
        found: Types of those that can be read.
        unreadable: Why others cannot be.

    Raises:
        UserError: One is not there, or cannot be read.
    """
    missing = [name for name in wanted if name not in found]
    for name in missing:
        if name in unreadable:
            raise UserError(f"{path}: column '{name}' can be neither input nor label: {unreadable[name]}")
    if missing:
        raise UserError(f"{path}: no column {some(missing)}; the columns are {some(list(found))}")
