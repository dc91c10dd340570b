"""The spelling of a value: one text by the type of its column, whichever format it was read from.

The types are learnt from the spellings of the training rows:

- `boolean`: all are true or false in letters of any case; written as `true` and `false`.
- `number`: all are finite decimals, none with leading zeros as in 01067; written as the shortest decimal: `1.0` is `1`.
- `time`: all are ISO dates or times; written as `2024-01-05` or `2024-01-05 10:30:00`, with a zone in UTC.
- `text`: all others; written as they are.

This file is part of every model package, and imports neither pandas nor pyarrow.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal
from math import isfinite
from typing import Any

import numpy as np

from pipeline.data.encodings.dates import moment_of

BOOLEAN, NUMBER, TIME, TEXT = "boolean", "number", "time", "text"
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_CODE = re.compile(r"\+|-?0\d")  # how what looks like a number and is none begins
_GROUPS = re.compile(r"[1-9]\d{0,2}(,\d{2,3})*,\d{3}", re.ASCII)
_KEPT = 1 << 17  # spellings whose codes are remembered
_FLOATS, _EXACT = 1 << 53, 1 << 64  # from the first on floats miss whole numbers; below the second these are told apart


def spelled(value: Any) -> str:
    """A single value, which is not missing, as text; empty text is a gap."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    text = str(value)
    if isinstance(value, int | float | Decimal | np.number):
        return _number(text) or text
    return (_time(text) or text) if isinstance(value, date | np.datetime64) else text


def to_number(word: str) -> float | None:
    """The number that a text spells; true and false are 1 and 0; None where it spells none."""
    try:
        return float(word) if "_" not in word else None
    except ValueError:
        flag = _boolean(word)
        return None if flag is None else float(flag == "true")


@dataclass(frozen=True)
class NumberFormat:
    """How text writes numbers.

    Attributes:
        decimal: The mark before the fraction.
        thousands: The mark between groups of digits, of which the last has three; empty for none.
    """

    decimal: str = "."
    thousands: str = ""

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> "NumberFormat":
        """That of an encoding, or of a source's settings as a mapping."""
        return cls(about.get("decimal", "."), about.get("thousands", ""))

    @property
    def about(self) -> dict[str, str]:
        """What an encoding says of it, as settings: nothing of the usual one."""
        return {name: mark for name, mark in vars(self).items() if mark != getattr(NumberFormat, name)}

    def number(self, word: str) -> float | None:
        """The number that a text spells; true and false are 1 and 0; None where it spells none."""
        if self == NumberFormat():
            return to_number(word)
        word = word.strip().replace("\u00a0", " ").replace("\u202f", " ")  # spaces that do not break
        whole, mark, fraction = word.partition(self.decimal)
        if self.thousands and self.thousands in whole:
            groups = whole.lstrip("+-").split(self.thousands)
            if not _GROUPS.fullmatch(",".join(groups)):
                return None
            whole = whole.replace(self.thousands, "")
        return None if "." in whole + fraction else to_number(f"{whole}{'.' if mark else ''}{fraction}")

    def numbers(self, words: Iterable[str]) -> list[float]:
        """The numbers among some words: where -999 marks a missing value, -999.0 does."""
        found = [self.number(word) for word in words if _boolean(word) is None]
        return [value for value in found if value is not None and value == value]


PLAIN = NumberFormat()
USUAL_FORMATS = tuple(
    NumberFormat(*it) for it in ((".", ","), (",", ""), (",", "."), (",", " "), (".", " "), (".", "'"))
)
"""Other ways to write numbers than with a point alone: 1,234.5; 0,5; 1.234,5; 1 234,5; 1 234.5; 1'234.5."""


def type_of(words: Iterable[str]) -> str:
    """The type of a column with these spellings."""
    known = [word.strip() for word in words]
    for name, form in _FORMS.items():
        if known and all(form(word) is not None and not (form is _number and _CODE.match(word)) for word in known):
            return name
    return TEXT


def canonical(word: str, of: str) -> str:
    """How a value is written in a column of a type; as it is where it is none of the type."""
    if of == NUMBER and (flag := _boolean(word)):
        return "1" if flag == "true" else "0"
    if of == BOOLEAN and (flag := {"1": "true", "0": "false"}.get(_number(word) or "")):
        return flag
    return (_FORMS[of](word) if of in _FORMS else None) or word


def in_order(words: Iterable[str], of: str) -> list[str]:
    """Values of a type as their codes follow each other: numbers by their size, all others by their letters."""
    return sorted(words, key=lambda word: (Decimal(word), word)) if of == NUMBER else sorted(words)


def counted(found: Counter[str]) -> tuple[str, Counter[str]]:
    """The type of a column, and how often each of its values is there, from its spellings."""
    of, values = type_of(found), Counter[str]()
    for word, count in found.items():
        values[canonical(word, of)] += count
    return of, values


class Codes:
    """Codes of the values of a column: their places among known ones from 1; 0 where missing or unknown.

    Text that is not known as it is may be the only known value that is the same whole number, truth value or time:
    formats write what a column of text holds in other ways (01067 as 1067, 2 as 2.0).

    Args:
        known: The known values, in the order of their codes.
        of: Type of the column.
        missing: Words that mark missing values.
    """

    def __init__(self, known: Sequence[str], of: str = TEXT, missing: Sequence[str] = ()) -> None:
        self._of = of
        self._places: dict[str | None, int] = {word: place for place, word in enumerate(known, 1)}
        self._alike: dict[str | None, int] = {}
        for word, place in self._places.items() if of == TEXT else ():
            same = _same(word or "")
            self._alike[same] = 0 if same in self._alike else place
        self._alike[None] = 0
        self._gaps = {None, "", *missing}.difference(known)
        self._made = dict.fromkeys(self._gaps, 0) | self._places

    def is_gap(self, word: str | None) -> bool:
        """Whether it marks a missing value."""
        return word in self._gaps

    def __call__(self, word: str | None) -> int:
        """The code of a value by its spelling; None is missing."""
        code = self._made.get(word)
        if code is None:
            if len(self._made) > _KEPT:
                self._made.clear()
            code = self._made[word] = 0 if word in self._gaps else self._code(word or "")
        return code

    def _code(self, word: str) -> int:
        place = self._places.get(canonical(word, self._of))
        return self._alike.get(_same(word), 0) if place is None and self._of == TEXT else place or 0


def _same(word: str) -> str | None:
    """What two spellings of one value have in common, as far as formats differ in them."""
    decimal = _number(word)
    if decimal is not None:
        return decimal if decimal.lstrip("-").isdigit() else None
    return _boolean(word) or _time(word)


def _boolean(word: str) -> str | None:
    flag = word.strip().lower()
    return flag if flag in ("true", "false") else None


def _number(word: str) -> str | None:
    """The shortest decimal of a finite number."""
    word = word.strip()
    if not _DECIMAL.fullmatch(word) or not isfinite(value := float(word)):
        return None
    if value.is_integer() and abs(value) < _EXACT:
        return str(int(value if abs(value) < _FLOATS else Decimal(word)))
    return repr(value)


def _time(word: str) -> str | None:
    if (found := moment_of(word)) is None:
        return None
    try:
        zone = "Z" if found.tzinfo else ""
        text = (found.astimezone(UTC).replace(tzinfo=None) if zone else found).isoformat(" ")
    except OverflowError:
        return None
    text = text.rstrip("0") if "." in text else text
    return f"{text}Z" if zone else text.removesuffix(" 00:00:00")


_FORMS: dict[str, Callable[[str], str | None]] = {BOOLEAN: _boolean, NUMBER: _number, TIME: _time}
