"""Files of lines: plain text, with the label of each line in a file beside it, and one JSON object a line.

Lines are counted from 1.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.data.encodings.values import PLAIN, NumberFormat
from pipeline.data.tables.batching import rebatched
from pipeline.data.tables.columns import some
from pipeline.errors import UserError

_ROWS = 4096
_LINE = 1 << 24  # bytes of the longest line that is read
_LOOKED_AT = 1000
_FIELD = 60  # the most of a value that a message shows


def lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or gzipped, without their ends.

    Raises:
        UserError: There is no such file, it is empty, a line is not UTF-8, or too long to be one.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while line := file.readline(_LINE):
                number += 1
                if len(line) == _LINE:
                    raise UserError(f"{path}: line {number} is longer than {_LINE >> 20} MiB")
                yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise UserError(f"{path}: line {number} is not UTF-8; save the file as UTF-8") from None
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read after line {number} ({error})") from None
    if not number:
        raise UserError(f"{path}: is empty")


@dataclass(frozen=True)
class JsonLines:
    """A file with one JSON object a line; see `pipeline.data.tables.typed.TableFile`.

    Attributes:
        path: Of the file.
        text: A field that every object must have, and text in it.
        missing: Words that mark missing values, beside null and empty text.
        rows: How many objects there are: unknown.
    """

    path: Path
    text: str | None = None
    missing: tuple[str, ...] = ()
    rows: int | None = None
    spelling: NumberFormat = PLAIN

    @cached_property
    def types(self) -> Mapping[str, pa.DataType]:
        """Those of the first value of each field, as far as the first objects tell."""
        found: dict[str, pa.DataType] = {}
        for _, it in islice(self._objects(), _LOOKED_AT):
            for name, value in it.items():
                if value is not None and found.get(name, pa.null()) == pa.null():
                    found[name] = _type(value)
                found.setdefault(name, pa.null())
        return found

    @property
    def unreadable(self) -> Mapping[str, str]:
        """None."""
        return {}

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """These fields of all objects; null where an object lacks one.

        Raises:
            UserError: A line is no object, a value is of another type, or no object has one of the fields.
        """
        yield from rebatched(self._batches(wanted), len(wanted))

    def _batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        objects, seen = self._objects(), set()
        if self.text is not None and self.text in wanted and self.text not in self.types:
            raise self._without([self.text])
        while chunk := list(islice(objects, _ROWS)):
            columns = []
            for name, kind in wanted.items():
                seen |= {name for _, it in chunk if name in it}
                values = [self._value(number, name, it.get(name), kind) for number, it in chunk]
                columns.append(self._array(name, values, kind))
            yield pa.RecordBatch.from_arrays(columns, list(wanted))
        if missing := [name for name in wanted if name not in seen]:
            raise self._without(missing)

    def files(self) -> list[Path]:
        """The one."""
        return [self.path]

    def _without(self, missing: list[str]) -> UserError:
        return UserError(f"{self.path}: no object has a field {some(missing)}; there are {some(list(self.types))}")

    def _value(self, number: int, name: str, value: Any, kind: pa.DataType) -> Any:
        """A field's value as text or as a number; null stays null."""
        where = f"{self.path}: line {number}, field '{name}'"
        if name == self.text and not isinstance(value, str):
            problem = "missing" if value is None else f"{_shown(value)} is no text"
            raise UserError(f"{where}: {problem}; every row needs its text")
        if value is None or (name != self.text and value in ("", *self.missing)):
            return None
        if pa.types.is_floating(kind):
            # true and false are 1 and 0, and a whole number may be beyond all floats
            if isinstance(value, str):
                found = self.spelling.number(value)
            else:
                found = PLAIN.number(str(value)) if isinstance(value, int) else value
            if not isinstance(found, float):
                raise UserError(f"{where}: {_shown(value)} is no number")
            return found
        if isinstance(value, str):
            return value
        if isinstance(value, list | dict):
            raise UserError(f"{where}: {_shown(value)} is neither text nor a number")
        return json.dumps(value)

    def _array(self, name: str, values: list[Any], kind: pa.DataType) -> pa.Array:
        try:
            return pa.array(values, kind if pa.types.is_floating(kind) else pa.string()).cast(kind)
        except pa.ArrowException as error:
            raise UserError(f"{self.path}: field '{name}': {str(error).splitlines()[0]}") from None

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every object with the number of its line; empty lines are left out."""
        for number, line in enumerate(lines(self.path), 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line, parse_constant=_refuse)
            except (ValueError, RecursionError) as error:
                problem = getattr(error, "msg", None) or str(error)
                raise UserError(f"{self.path}: line {number} is no JSON object: {problem}") from None
            if not isinstance(found, dict):
                raise UserError(f"{self.path}: line {number} is no JSON object but {_shown(found)}")
            yield number, found


@dataclass(frozen=True)
class Lines:
    """A text a line, and perhaps a label on the same line of another file; see `pipeline.data.tables.typed.TableFile`.

    Attributes:
        path: Of the texts.
        text: What the column of texts is called; any other is the labels.
        labels: Path of the labels.
        names: What the labels stand for, where they stand for something.
        rows: How many there are: unknown.
    """

    path: Path
    text: str
    labels: Path | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None

    @property
    def types(self) -> Mapping[str, pa.DataType]:
        """Text."""
        return {self.text: pa.string()}

    @property
    def unreadable(self) -> Mapping[str, str]:
        """None."""
        return {}

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """Texts as they are, and labels as text or numbers.

        Raises:
            UserError: The files differ in their number of lines, or a label is unknown or no number.
        """
        pairs = self._pairs(any(name != self.text for name in wanted))
        done = 0
        while chunk := list(islice(pairs, _ROWS)):
            columns = []
            for name, kind in wanted.items():
                own = [text if name == self.text else label for text, label in chunk]
                if name != self.text and pa.types.is_floating(kind):
                    own = [self._number(done + row, it) for row, it in enumerate(own, 1)]
                columns.append(pa.array(own, kind))
            yield pa.RecordBatch.from_arrays(columns, list(wanted))
            done += len(chunk)

    def files(self) -> list[Path]:
        """That of the texts and that of the labels."""
        return [self.path, *([self.labels] if self.labels else [])]

    def _pairs(self, with_labels: bool) -> Iterator[tuple[str, Any]]:
        if self.labels is None:
            if with_labels:
                raise UserError(f"{self.path}: plain lines have no labels: give their file as labels_file")
            yield from ((text, None) for text in lines(self.path))
            return
        for number, (text, label) in enumerate(zip_longest(lines(self.path), lines(self.labels)), 1):
            if text is None or label is None:
                counts = [sum(1 for _ in lines(path)) for path in (self.path, self.labels)]
                raise UserError(
                    f"{self.labels}: {counts[1]:,} lines of labels for the {counts[0]:,} lines of {self.path.name}: "
                    "each line needs the label of the same line"
                )
            yield text, self._label(number, label.strip())

    def _label(self, number: int, label: str) -> str | None:
        if self.names and label and label not in self.names:
            known = some(list(self.names))
            raise UserError(f"{self.labels}: line {number}: '{label}' is not in classes_file, which has {known}")
        return self.names.get(label, label) or None

    def _number(self, number: int, label: str | None) -> float | None:
        try:
            return None if label is None else float(label)
        except ValueError:
            raise UserError(f"{self.labels}: line {number}: '{label}' is no number") from None


def names_in(path: Path) -> dict[str, str]:
    """What labels stand for: on every line a label, a tab or spaces, and its name.

    Raises:
        UserError: A line is not like that.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        label, *name = line.split(None, 1)
        if not name or label in found:
            raise UserError(f"{path}: line {number}: write a label and its name, each label once; found '{line}'")
        found[label] = name[0].strip()
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON; write null for what is unknown")


def _type(value: Any) -> pa.DataType:
    """How a value is read where nothing else is wanted; a date by its look."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return pa.float64()
    try:
        pa.scalar(value, pa.string()).cast(pa.timestamp("us"))
    except (pa.ArrowException, TypeError):
        return pa.string()
    return pa.timestamp("us")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _FIELD else f"{text[:_FIELD]} ..."
