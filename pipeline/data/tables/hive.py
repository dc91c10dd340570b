"""Columns that the names of folders tell, `key=value`, as Hive writes them."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

import pyarrow as pa

_GAPS = ("", "__HIVE_DEFAULT_PARTITION__")  # what a folder says where the column has no value
_CODE = re.compile(r"0\d{2,}")  # leading zeros tell a code; of two digits they tell a month, a day or an hour


def is_hidden(name: str) -> bool:
    """Whether files of this name, or in a folder of this name, are no part of a table."""
    return name.startswith((".", "_")) and "=" not in name


def keys_of(folders: Sequence[str]) -> dict[str, str | None]:
    """Values by key, None where there is none.

    >>> keys_of(["year=2024", "parts", "town=S%C3%A3o%20Paulo", "grade=__HIVE_DEFAULT_PARTITION__"])
    {'year': '2024', 'town': 'São Paulo', 'grade': None}
    """
    pairs = (map(unquote, name.split("=", 1)) for name in folders if name.find("=") > 0)
    return {key: None if value in _GAPS else value for key, value in pairs}


def type_of_key(values: Sequence[str | None]) -> pa.DataType:
    """What all values of a key can be read as: whole numbers, numbers, dates, times, else text."""
    there = pa.array([it for it in values if it is not None], pa.string())
    if any(_CODE.fullmatch(it) for it in there.to_pylist()):
        return pa.string()
    for kind in (pa.int64(), pa.float64(), pa.date32(), pa.timestamp("us")) if len(there) else ():
        try:
            there.cast(kind)
        except pa.ArrowInvalid:
            continue
        return kind
    return pa.string()
