"""What a draft decides about the columns of a table, beside why: inputs, the split, and words for gaps."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import pyarrow as pa

from pipeline.data.encodings.values import PLAIN, NumberFormat
from pipeline.data.sources.looked import Column, look
from pipeline.data.tables.typed import CsvFile, TableFile, distinct

_MOMENTS = 10  # fewer different times are no order
_LEARNT = 0.6  # of the rows, about so many are train and lie before the others
_UNKNOWN = "?"
_TIMES = re.compile(r"(?i)(.*[^a-z])?(year|yr|date|timestamp)")
"""Names of columns whose numbers are times; `time` and `day` may just as well be how long something took."""


@dataclass
class Decisions:
    """What becomes of the columns that are not to be predicted.

    Attributes:
        inputs: Kinds by column.
        left_out: Why each other column is not used.
        split: The setting that splits the rows, its column, and why; None for a random split.
        missing: Words that mark gaps, and where.
        hints: What else might be said, and is not.
    """

    inputs: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    split: tuple[str, str, str] | None = None
    missing: dict[str, str] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)


def spelling_of(file: TableFile, columns: Mapping[str, Column]) -> tuple[NumberFormat, str]:
    """How text writes numbers, and where; the plain way where columns do not agree."""
    forms = {name: found for name, column in columns.items() if (found := column.other_spellings)}
    plain = [column for column in columns.values() if column.is_number] if isinstance(file, CsvFile) else []
    points = any("." in word for column in plain for word in column.counts)
    for name, found in islice(forms.items(), 1):
        for form in found:
            if all(form in others for others in forms.values()) and not (points and form.decimal != "."):
                return form, f"'{next(iter(columns[name].others))}' in {name}"
    return PLAIN, ""


def decided(file: TableFile, columns: Mapping[str, Column], classes: Sequence[str], gapped: Sequence[str]) -> Decisions:
    """Decide about the columns of a table.

    Args:
        file: The table.
        columns: What was found in each.
        classes: Columns that are to be predicted as classes or labels.
        gapped: Columns to predict in which words stand for gaps.
    """
    found = Decisions(left_out=dict(file.unreadable))
    free = {name: column for name, column in columns.items() if name not in classes and name not in gapped}
    for name, column in free.items():
        if why := column.unfit or _both(column, [columns[it] for it in classes if it not in gapped]):
            found.left_out[name] = why
        else:
            found.inputs[name] = column.input_kind
    _decide_split(found, file, free, classes)
    found.hints += [
        f"group: {name}   would keep all rows of one {name} in the same split"
        for name, column in free.items()
        if column.is_group
    ]
    used = [columns[name] for name in (*found.inputs, *gapped)]
    found.missing = _words_for_gaps(file, used)
    return found


def _both(column: Column, targets: Iterable[Column]) -> str | None:
    """Why a column cannot be one of numbers with gaps: its word for a gap is a class to predict."""
    for target in targets:
        if both := [word for word in column.gaps if word in target.counts]:
            return f"numbers and '{both[0]}', which is a class of {target.name}"
    return None


def _words_for_gaps(file: TableFile, columns: Sequence[Column]) -> dict[str, str]:
    rows: dict[str, list[str]] = {}
    values = _meant_as_values(file, [it for it in columns if not it.gaps and _UNKNOWN in it.counts])
    for column in columns:
        gaps = column.gaps or Counter({_UNKNOWN: column.counts[_UNKNOWN] - values.get(column.name, 0)})
        for word, count in (+gaps).items():
            rows.setdefault(word, []).append(f"{count:,} rows of {column.name}")
    return {
        word: f"'{word}' in {', '.join(where[:2])}{' ...' if len(where) > 2 else ''}" for word, where in rows.items()
    }


def _meant_as_values(file: TableFile, columns: Sequence[Column]) -> dict[str, int]:
    """How many of the question marks in columns of words are in quotes, and so values."""
    if not columns or not isinstance(file, CsvFile):
        return {}
    quoted = look(replace(file, missing=(*file.missing, _UNKNOWN)), [it.name for it in columns])
    return {name: it.counts[_UNKNOWN] for name, it in quoted.items()}


def _decide_split(found: Decisions, file: TableFile, columns: Mapping[str, Column], classes: Sequence[str]) -> None:
    for name, column in columns.items():
        if not column.is_split:
            continue
        if column.missing:
            found.left_out[name] = f"which names the split of a row, but not in {column.missing:,} rows"
        elif found.split is None:
            found.split = "split", name, column.described()
            found.left_out.pop(name, None)
    for name, column in columns.items() if found.split is None else ():
        if not _is_clock(column):
            continue
        if gaps := column.missing + column.gaps.total():
            found.hints.append(f"time: {name}   would test on the latest rows, but {gaps:,} rows have none")
        elif not column.rising and not column.falling:
            found.hints.append(f"time: {name}   would test on the latest rows; the rows are not in its order")
        elif late := _late_class(file, classes, column.falling):
            found.hints.append(f"time: {name}   would test on the latest rows, but {late}")
        elif found.split is None:
            found.split = (
                "time",
                name,
                f"the rows are in its order: the {'first' if column.falling else 'last'} are test",
            )


def _is_clock(column: Column) -> bool:
    """Whether rows might be ordered by it."""
    if column.different < _MOMENTS or column.is_identifier:
        return False
    return column.is_time or (column.is_number and column.whole and bool(_TIMES.fullmatch(column.name)))


def _late_class(file: TableFile, classes: Sequence[str], falling: bool) -> str | None:
    """A class that only the latest rows have, in words; None where there is none.

    Args:
        file: The table.
        classes: Columns of classes.
        falling: The latest rows come first.
    """
    seen: dict[str, dict[str, list[int]]] = {name: {} for name in classes}
    rows = 0
    for batch in file.batches(dict.fromkeys(classes, pa.string())) if classes else ():
        for name, known in seen.items():
            words, places = distinct(batch.column(name))
            for place, word in enumerate(words.to_pylist()):
                where = rows + np.flatnonzero(places == place)[[0, -1]]
                known[word] = [known.get(word, where)[0], where[1]]
        rows += batch.num_rows
    for name, known in seen.items():
        for word, (first, last) in known.items():
            if (rows - 1 - last if falling else first) >= _LEARNT * rows:
                return f"'{word}' of {name} is in the latest rows only"
    return None
