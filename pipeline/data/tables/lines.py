"""Files of lines: plain text, with the label of each line in a file beside it, and JSON, an object a line or in a list.

Lines are counted from 1. They end with a line feed, perhaps behind a carriage return, or all with carriage returns
alone; what else Unicode has for the end of a line is text.
"""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from io import TextIOWrapper
from itertools import islice, zip_longest
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from pipeline.data.encodings.values import PLAIN, NumberFormat
from pipeline.data.tables.batching import rebatched
from pipeline.data.tables.columns import some
from pipeline.errors import UserError

_ROWS = 4096
_LINE = 1 << 24  # bytes of the longest line that is read
_CHUNK = 1 << 20  # letters of a list that are read at a time
_FIELD = 60  # the most of a value that a message shows
_BLANK = " \t"
_BETWEEN = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # that of UTF-32, too, begins so
_TYPES = {"null": pa.null(), "number": pa.float64(), "time": pa.timestamp("us"), "text": pa.string()}
JSON = (".jsonl", ".ndjson", ".json")
"""Endings of files of JSON objects."""
UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file raises, also a damaged `.gz`."""
EMPTY = "[]"
"""What an empty list of labels reads as."""
BETWEEN_LABELS = "|"
"""What parts the labels of a list."""


def ends_with(path: Path, *endings: str) -> bool:
    """Whether a file's name has one of some endings, in small or large letters, plain or with `.gz` behind it."""
    return path.name.lower().removesuffix(".gz").endswith(endings)


def lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or gzipped, without their ends.

    Raises:
        UserError: There is no such file, it is empty, a line is not UTF-8, has a NUL byte, or is too long to be one.
    """
    number = 0
    try:
        with opened(path) as file:
            for number, line in enumerate(_raw(file), 1):
                if len(line) == _LINE:
                    raise UserError(f"{path}: line {number} is longer than {_LINE >> 20} MiB")
                if b"\0" in line:
                    raise UserError(f"{path}: line {number} has a NUL byte: this is no text, or not UTF-8")
                yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise UserError(f"{path}: line {number} is not UTF-8; {in_utf8(path)}") from None
    except UNREADABLE as error:
        raise UserError(f"{path}: cannot be read after line {number} ({error})") from None


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file's bytes, unpacked.

    Raises:
        UserError: There is no such file, it is empty, damaged, or says of itself that it is not UTF-8.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        try:
            first = file.peek(1)
        except UNREADABLE as error:
            raise UserError(f"{path}: cannot be read ({error})") from None
        if not first:
            raise UserError(f"{path}: is empty")
        if first.startswith(_WIDE):
            raise UserError(f"{path}: is UTF-16 or UTF-32; {in_utf8(path, 'UTF-16')}")
        yield file


def in_utf8(path: Path, encoding: str = "WINDOWS-1252") -> str:
    """What to do with a file that is not UTF-8, but most likely in another encoding."""
    return f"save the file as UTF-8 (iconv -f {encoding} -t UTF-8 {path.name} > NEW{path.suffix})"


def _raw(file: IO[bytes]) -> Iterator[bytes]:
    first = file.readline(_LINE)
    if len(first) < _LINE and b"\n" not in first:  # the whole file: lines may end as on old Macs
        yield from first.removesuffix(b"\r").split(b"\r")
        return
    yield first
    yield from iter(partial(file.readline, _LINE), b"")


@dataclass(frozen=True)
class JsonLines:
    """A file with one JSON object a line, or one list of objects; see `pipeline.data.tables.typed.TableFile`.

    A field that holds lists of words or numbers reads as text with `|` between them, and `[]` where there is none.

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

    @property
    def types(self) -> Mapping[str, pa.DataType]:
        """Of each field, by its values in all objects: numbers, dates, else text."""
        return {name: _TYPES[kind] for name, kind in self._kinds.items() if kind in _TYPES}

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Fields that can be neither inputs nor labels, and why."""
        return {name: "objects within objects" for name, kind in self._kinds.items() if kind not in _TYPES}

    @cached_property
    def _kinds(self) -> dict[str, str]:
        """What each field holds."""
        found: dict[str, str] = {}
        objects = self._objects()
        while chunk := [it for _, it in islice(objects, _ROWS)]:
            for name in dict.fromkeys(name for it in chunk for name in it):
                known = found.get(name, "null")
                kind = _kind([it[name] for it in chunk if it.get(name) is not None], known)
                found[name] = kind if known in ("null", kind) or kind == "nested" else "text"
        return found

    def batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """These fields of all objects; null where an object lacks one.

        Raises:
            UserError: A line is no object, a value is of another type, or no object has one of the fields.
        """
        yield from rebatched(self._batches(wanted), len(wanted))

    def _batches(self, wanted: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        objects, seen = self._objects(), set()
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

    @cached_property
    def _gaps(self) -> frozenset[float]:
        return frozenset(self.spelling.numbers(self.missing))

    def _without(self, missing: list[str]) -> UserError:
        return UserError(f"{self.path}: no object has a field {some(missing)}; there are {some(list(self.types))}")

    def _value(self, number: int, name: str, value: Any, kind: pa.DataType) -> Any:
        """A field's value as text or as a number; null stays null."""
        where = f"{self.path}: line {number}, field '{name}'"
        if name == self.text and not isinstance(value, str):
            if value is None and name not in self._kinds:
                raise self._without([name])
            problem = "missing" if value is None else f"{_shown(value)} is no text"
            raise UserError(f"{where}: {problem}; every row needs its text")
        if value is None or (name != self.text and value in ("", *self.missing)):
            return None
        if pa.types.is_floating(kind):
            # true and false are 1 and 0, and a whole number may be beyond all floats
            if isinstance(value, str):
                found = self.spelling.number(value)
            else:
                found = PLAIN.number(str(int(value))) if isinstance(value, int) else value
            if not isinstance(found, float):
                raise UserError(f"{where}: {_shown(value)} is no number")
            return None if found in self._gaps else found
        if isinstance(value, list):
            if not _is_list_of_words(value):
                raise UserError(f"{where}: {_shown(value)} is no list of words or numbers")
            words = [self._value(number, name, it, kind) for it in value]
            if wrong := [word for word in words if BETWEEN_LABELS in word]:
                problem = f"'{wrong[0]}' has a '{BETWEEN_LABELS}' in it, which parts the words of a list"
                raise UserError(f"{where}: {problem}")
            return BETWEEN_LABELS.join(words) if words else EMPTY
        if isinstance(value, str):
            return value
        if isinstance(value, dict):
            raise UserError(f"{where}: {_shown(value)} is neither text nor a number")
        return json.dumps(value)

    def _array(self, name: str, values: list[Any], kind: pa.DataType) -> pa.Array:
        try:
            return pa.array(values, kind if pa.types.is_floating(kind) else pa.string()).cast(kind)
        except pa.ArrowException as error:
            raise UserError(f"{self.path}: field '{name}': {str(error).splitlines()[0]}") from None

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every object with the number of the line on which it begins; empty lines are left out."""
        with opened(self.path) as file:
            is_list = file.peek(_ROWS).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")
        for number, found, text in self._elements() if is_list else self._on_lines():
            if not isinstance(found, dict):
                raise UserError(f"{self.path}: line {number} is no JSON object but {_shown(found)}")
            if _ESCAPED.search(text) and (half := _HALF.search(json.dumps(found, ensure_ascii=False))):
                letter = f"\\u{ord(half[0]):04x}"
                problem = "is half a pair of surrogates, which is no character: remove it, or write the character"
                raise UserError(f"{self.path}: line {number}: {letter} {problem}")
            yield number, found

    def _on_lines(self) -> Iterator[tuple[int, Any, str]]:
        """What stands on every line, with its number and as it is written."""
        for number, line in enumerate(lines(self.path), 1):
            if not line.strip():
                continue
            try:
                yield number, _DECODER.decode(line), line
            except (ValueError, RecursionError) as error:
                raise self._no_json(number, error) from None

    def _elements(self) -> Iterator[tuple[int, Any, str]]:
        """The elements of the list, each with the line on which it begins, and as it is written."""
        number, text, place = 1, "", 0
        try:
            with opened(self.path) as packed, TextIOWrapper(packed, "utf-8-sig", newline="") as file:
                text = file.read(_CHUNK)
                place = text.index("[") + 1
                number += text.count("\n", 0, place)
                while True:
                    start = place + len(_BETWEEN.match(text, place)[0])  # type: ignore[index]  # it matches nothing, too
                    if text.startswith("]", start):
                        if (text[start + 1 :] + file.read(_CHUNK)).strip():
                            raise self._no_json(number, ValueError("there is more behind the end of the list"))
                        return
                    try:
                        found, end = _DECODER.raw_decode(text, start)
                    except (ValueError, RecursionError) as error:  # perhaps there is more of it
                        more = file.read(_CHUNK) if len(text) - start < _LINE else ""
                        if not more:
                            at = getattr(error, "pos", start)
                            raise self._no_json(number + text.count("\n", place, at), error) from None
                        text, place = text[place:] + more, 0
                        continue
                    number += text.count("\n", place, start)
                    yield number, found, text[start:end]
                    number += text.count("\n", start, end)
                    place = end
        except UnicodeDecodeError:
            raise UserError(f"{self.path}: is not UTF-8 after line {number}; {in_utf8(self.path)}") from None
        except UNREADABLE as error:
            raise UserError(f"{self.path}: cannot be read after line {number} ({error})") from None

    def _no_json(self, number: int, error: Exception) -> UserError:
        problem = getattr(error, "msg", None) or str(error).partition(": value has")[0]
        form = "write an object on each line, or one list of objects"
        return UserError(f"{self.path}: line {number} is no JSON object: {problem}; {form}")


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
            yield text, self._label(number, label.strip(_BLANK))

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
        if not line.strip(_BLANK):
            continue
        label, *name = re.split(r"[ \t]+", line.strip(_BLANK), maxsplit=1)
        if not name or label in found:
            raise UserError(f"{path}: line {number}: write a label and its name, each label once; found '{line}'")
        found[label] = name[0]
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON; write null for what is unknown")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"field {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_each_once)
_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\\ud800-\\udfff]")  # surrogates, which are letters in pairs alone


def _kind(values: list[Any], known: str) -> str:
    """How values are read where nothing else is wanted, beside others that are `known`; dates by their look."""
    if not values or known == "nested":
        return known
    if any(isinstance(value, list | dict) and not _is_list_of_words(value) for value in values):
        return "nested"
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "number"
    if known not in ("null", "time") or not all(isinstance(value, str) for value in values):
        return "text"
    try:
        pa.array(values, pa.string()).cast(pa.timestamp("us"))
    except pa.ArrowException:
        return "text"
    return "time"


def _is_list_of_words(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(it, list | dict) or it is None for it in value)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _FIELD else f"{text[:_FIELD]} ..."
