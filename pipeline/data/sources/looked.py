"""A look at the columns of a table: what is in them, what they could be, and in words why.

Identifiers, groups, splits, numbers, times, classes, several labels: a draft decides by these, and `inputs: auto`.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.encodings.dates import FORM, day_of, seconds_of
from pipeline.data.encodings.rows import CATEGORICAL, DATE, FREE_TEXT, NUMERIC, too_large
from pipeline.data.encodings.values import PLAIN, USUAL_FORMATS, NumberFormat
from pipeline.data.sources.split_by import WORDS
from pipeline.data.tables.column_types import is_number
from pipeline.data.tables.typed import CsvFile, TableFile, distinct
from pipeline.errors import UserError

LOOKED_AT = 2_000_000
"""Rows that are looked at, the first ones: nearly always all."""

_SHOWN = 4
_MOST_DIFFERENT = 1 << 17  # values that are counted
_MOST_CATEGORIES = 1000
_MOST_CLASSES = 50
_ROWS_A_CLASS = 5
_MOST_LABELS = 100
_FEW_NUMBERS = 20  # so few different whole numbers are classes
_MOST_WORDS = 10  # different words among many numbers, beyond which these are no numbers with gaps
_FEW_ROWS = 20  # of so few, all different values tell nothing
_SEPARATORS = "|;,"
_GROUPS = re.compile(r"(?i)patient|subject|person|user|customer|group|family|site|[_ ]id$")
_SPLITS = re.compile(r"(?i)(cv[_. ]?)?folds?|split|partition|(is|in)[_. ]?(train|test|val)\w*")
_OF = "row|user|tweet|post|item|order|product|customer|case|record|patient|subject|obj|object|person|sample|doc"
_KEYS = re.compile(
    rf"(?i:({_OF})?id|uuid|guid|uid|key|pk|row[_. ]?names?|unnamed: ?\d+|.*[_. ](id|uuid|guid|key)|id[_. ]\w+)"
    r"|.*[a-z](Id|ID)"
)
"""Names of identifiers."""
_COUNTERS = re.compile(r"(?i:index|idx|rows?|row[_. ]?(no|nr|num|number)|no\.?|nr\.?|num|number|obs|case|seq|serial)|X")
"""Names of what is an identifier where it counts the rows; R calls row names X."""

_NUMBER = r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?)"
_CODE = r"[+-]?0\d+"  # leading zeros, as zip codes have them
_LONG = r"[+-]?\d{17,}"  # digits of which floats may miss the last
_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATES = "|".join(
    (
        r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}( .*)?",
        r"\d{4}[./]\d{1,2}[./]\d{1,2}( .*)?",
        r"\d{4}-\d\d?",
        rf"\d{{1,2}}[ .-]{{1,2}}{_MONTH}[ ,-]{{1,2}}\d{{2,4}}( .*)?",
        rf"{_MONTH}[ -](\d{{1,2}},? )?\d{{2,4}}( .*)?",
        r"\d{4}[ -]?[Qq][1-4]|[Qq][1-4][ /-]?\d{4}|\d{4}-?[Ww]\d\d?",
    )
)
_GAP = re.compile(
    r"(?i)[\W_]*|\W*(n\W?/?\W?[ad]\W?|nan|none|null|nil|unk|unknown|undefined|missing"
    r"|not (available|applicable|known))\W*"
)
"""Words that say of themselves that there is no value."""
_WRITTEN = {
    "dates": (_DATES, "2024-05-31"),
    "times of day": (r"\d{1,2}:\d\d(:\d\d)?( ?[ap]m)?", "13.5"),
    "numbers with other marks than a point": (r"[+-]?(\d{1,3}([.,' ]\d{3})+([.,]\d+)?|\d+,\d+)", "1234.5"),
    "negative numbers": (r"[−–]\s?\d[\d.,]*|\(\d[\d.,]*\)|\d[\d.,]*-", "-12.5"),
    "amounts of money": (r"[+-]?[$€£¥]\s?[+-]?\d[\d.,]*|[+-]?\d[\d.,]*\s?[$€£¥]", "1234.5"),
    "percentages": (r"[+-]?\d[\d.,]*\s?%", "12.5"),
}
"""What means numbers or dates and is written otherwise, and how it would have to be written."""


@dataclass
class Column:
    """What was found in one column.

    Attributes:
        name: Of it.
        spelling: How text writes numbers.
        typed: They are no text, so that no word marks a gap.
        counts: How often each value is there, as text; no longer complete where there are very many.
        rows: With a value.
        missing: Rows without one.
        numbers: Rows with a number.
        codes: Rows with digits that begin with a zero, or that are too many to be told apart as numbers.
        dates: Rows with a date.
        others: How often each other value is there; no longer complete where there are very many.
        low: The lowest number, or date in seconds since 1970.
        high: The highest.
        whole: All numbers are whole.
        rising: Numbers or dates never fall from one row to the next, and none is missing.
        falling: They never rise.
    """

    name: str
    spelling: NumberFormat = PLAIN
    typed: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    missing: int = 0
    numbers: int = 0
    codes: int = 0
    dates: int = 0
    others: Counter[str] = field(default_factory=Counter)
    low: float = float("inf")
    high: float = float("-inf")
    whole: bool = True
    rising: bool = True
    falling: bool = True
    _last: float | None = None

    def take(self, column: pa.Array) -> None:
        """The next rows, as text."""
        there = column.drop_null()
        self.missing += column.null_count
        self.rows += len(there)
        words, places = distinct(there)
        times = np.bincount(places, minlength=len(words))
        found = self._measured(words, times)
        if len(self.counts) < _MOST_DIFFERENT:
            self.counts.update(dict(zip(words.to_pylist(), times.tolist(), strict=True)))
        known = found[np.isfinite(found)]
        if len(known):
            self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
            self.whole = self.whole and bool((known == np.round(known)).all())
        if self.rising or self.falling:
            values = found[places]
            steps = np.diff(values, prepend=values[:1] if self._last is None else self._last)
            self.rising = self.rising and not self.missing and bool((steps >= 0).all())
            self.falling = self.falling and not self.missing and bool((steps <= 0).all())
            self._last = float(values[-1]) if len(values) else self._last

    def _measured(self, words: pa.Array, times: np.ndarray) -> np.ndarray:
        """Count what different values [W] are; as numbers or seconds [W], NaN where they are neither."""
        bare, found = pc.utf8_trim_whitespace(words), np.full(len(words), np.nan)
        is_number, is_date = _matching(bare, _NUMBER), _matching(bare, FORM)
        if self.spelling == PLAIN:
            found[is_number] = bare.filter(pa.array(is_number)).cast(pa.float64()).to_numpy(zero_copy_only=False)
        else:
            for place in np.flatnonzero(_matching(bare, r"[+-]?\D?\d.*")):
                found[place] = self.spelling.number(bare[int(place)].as_py())
        found[too_large(found)] = np.nan  # what nobody can compute with stands for something else
        is_number = ~np.isnan(found)
        for place in np.flatnonzero(is_date):
            found[place] = seconds_of(bare[int(place)].as_py())  # None is NaN
        self.numbers += int(times[is_number].sum())
        self.codes += int(times[is_number & _matching(bare, _CODE)].sum())
        is_long = is_number & _matching(bare, _LONG)
        if len(np.unique(found[is_long])) < np.count_nonzero(is_long):  # as numbers they would be the same
            self.codes += int(times[is_long].sum())
        self.dates += int(times[is_date & ~np.isnan(found)].sum())
        if len(self.others) < _MOST_DIFFERENT:
            is_other = np.isnan(found)
            others = words.filter(pa.array(is_other)).to_pylist()
            self.others.update(dict(zip(others, times[is_other].tolist(), strict=True)))
        return found

    @property
    def different(self) -> int:
        """How many different values there are."""
        return len(self.counts)

    @property
    def is_number(self) -> bool:
        """It holds numbers, perhaps with words for gaps; truth values and codes with leading zeros are none."""
        return self.numbers > 0 and not self.codes and not self.dates and self._are_gaps(self.numbers)

    @property
    def is_time(self) -> bool:
        """It holds dates or times, perhaps with words for gaps."""
        return self.dates > 0 and not self.numbers and self._are_gaps(self.dates)

    @property
    def gaps(self) -> Counter[str]:
        """How often each word stands where a number or a date should."""
        return self.others if self.is_number or self.is_time else Counter()

    def _are_gaps(self, values: int) -> bool:
        """Whether all other words stand for gaps among so many numbers or dates."""
        if not self.others:
            return True
        different = self.different - len(self.others)
        if all(_GAP.fullmatch(word) or PLAIN.number(word) is not None for word in self.others):  # 1.8e308 is one, too
            return different > 1
        return different > _FEW_NUMBERS and len(self.others) <= _MOST_WORDS and self.others.total() <= 0.1 * values

    @property
    def other_spellings(self) -> list[NumberFormat]:
        """The usual ways to write numbers in which all its values are some, if they are none in the plain one."""
        if self.is_number or self.is_time or self.different <= _FEW_NUMBERS:
            return []
        there = [word for word in self.counts if not _GAP.fullmatch(word)]
        if all(PLAIN.number(word) is not None for word in there):
            return []
        return [it for it in USUAL_FORMATS if all(_spells(it, word) for word in there)]

    @property
    def written(self) -> str | None:
        """What its values are and how they would have to be written, where they mean numbers or dates all the same."""
        others = [word for word in self.others if not _GAP.fullmatch(word)]
        if not others or self.different <= _FEW_NUMBERS or self.is_number or self.is_time:
            return None
        for what, (form, better) in _WRITTEN.items():
            if all(re.fullmatch(form, word) for word in others):
                return f"{what} such as '{others[0]}': write them as {better}"
        return None

    @property
    def is_name(self) -> bool:
        """Nearly every row has a value of its own."""
        return self.different >= 0.9 * min(self.rows, _MOST_DIFFERENT)

    @property
    def is_identifier(self) -> bool:
        """It is called an identifier and differs in all rows, it counts the rows, or each row has its own word."""
        if self.is_time or not self.is_name or (self.is_number and not self.whole):
            return False
        if _KEYS.fullmatch(self.name.strip()):
            return True
        if self.is_number:
            counts = not self.missing and self.high - self.low + 1 == self.rows
            return counts and bool(_COUNTERS.fullmatch(self.name.strip()))
        return self.rows > _FEW_ROWS and not self.is_prose and not self.written

    @property
    def is_prose(self) -> bool:
        """Most of its values have several words, and few are there twice."""
        several = sum(" " in value.strip() for value in self.counts)
        return self.different > max(0.5 * min(self.rows, _MOST_DIFFERENT), _FEW_ROWS) and several > 0.5 * self.different

    @property
    def is_flag(self) -> bool:
        """It holds 0 and 1, and both."""
        return self.is_number and self.whole and (self.low, self.high, self.different) == (0.0, 1.0, 2)

    @property
    def is_split(self) -> bool:
        """Its values name splits, train among them."""
        if self.different > len(WORDS):
            return False
        said = {value.strip().lower() for value in self.counts}
        return len(said) > 1 and said <= set(WORDS) and any(WORDS[word] == 0 for word in said)

    @property
    def is_fold(self) -> bool:
        """It is called as folds or splits are, and numbers them or says yes and no."""
        numbers = self.is_number and self.whole and self.different <= _FEW_NUMBERS
        flags = self.different == 2 and {it.lower() for it in self.counts} == {"true", "false"}
        return bool(_SPLITS.fullmatch(self.name)) and (numbers or flags)

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
            where = " that has a value" if self.missing else ""
            return f"the same in every row{where}" if self.different else "empty"
        if self.is_identifier:
            return "of which every row has its own: an identifier"
        if self.typed and self.others and self.is_number:
            return f"numbers such as {next(iter(self.others))}, with which nothing can be computed"
        if self.is_split or self.is_fold:
            return "which tells how rows are split, not what they are: `split:` takes train, validation and test"
        return self.written

    @property
    def input_kind(self) -> str:
        """How it is read where it is an input."""
        if self.is_number:
            return NUMERIC
        if self.is_time:
            return DATE
        return FREE_TEXT if self.is_prose or self.different > _MOST_CATEGORIES else CATEGORICAL

    @property
    def kind(self) -> str | None:
        """Of a task that predicts it; None where it is none to predict."""
        if self.different > 1 and not self.is_number and not self.is_time and self.separator:
            return "multilabel"
        return self.kind_as_one

    @property
    def kind_as_one(self) -> str | None:
        """Of a task that predicts a value as a whole, whatever separators are in it."""
        if self.different < 2 or self.is_time:
            return None
        if self.is_number and not (self.whole and self.different - len(self.others) <= _FEW_NUMBERS):
            return "regression"
        if self.different > min(_MOST_CLASSES, max(self.rows // 2, 2)):
            return None
        return "binary" if self.different == 2 else "multiclass"

    @property
    def is_classes(self) -> bool:
        """It may be classes to those who ask for it: on the average there are several rows of each."""
        many = min(_MOST_CATEGORIES, self.rows // _ROWS_A_CLASS)
        return self.different <= many and not self.is_time and not self.written

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
        elif self.is_time:
            text = f"{day_of(self.low)} to {day_of(self.high)}"
        else:
            there = max(self.rows, 1)
            text = ", ".join(f"{value} {count / there:.0%}" for value, count in self.counts.most_common(_SHOWN))
            text += f" ... {self.different} values" if self.different > _SHOWN else ""
        missing = self.missing + self.gaps.total()
        return text + (f"; {missing / (self.rows + self.missing):.1%} missing" if missing else "")


def look(file: TableFile, names: Iterable[str] | None = None, spelling: NumberFormat = PLAIN) -> dict[str, Column]:
    """The columns of a table, by name, from its first rows.

    Args:
        file: The table.
        names: Of the columns; None for all.
        spelling: How text writes numbers.

    Raises:
        UserError: It has no row.
    """
    columns = {}
    for name in file.types if names is None else names:
        typed = is_number(file.types[name]) and not isinstance(file, CsvFile)
        columns[name] = Column(name, PLAIN if typed else spelling, typed)
    # As they are spelled: an identifier may begin with zeros, and numbers may turn into words in later rows.
    wanted = dict.fromkeys(columns, pa.string())
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


def _spells(form: NumberFormat, word: str) -> bool:
    return word.lstrip("+-")[:1].isdigit() and form.number(word) is not None


def _matching(words: pa.Array, form: str) -> np.ndarray:
    """Which words [W] are of a form as a whole, bool [W]."""
    found = pc.match_substring_regex(words, f"^(?:{form})$", ignore_case=True)
    return np.asarray(found.to_numpy(zero_copy_only=False))
