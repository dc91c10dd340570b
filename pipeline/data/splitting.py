"""Splits: which rows of a source become train, validation and test.

Rows are drawn so that each pattern of labels keeps its share; or whole groups of rows are drawn; or the latest rows are
taken; or the source says it itself. Memory is a few bytes a row, whatever the patterns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pipeline.data.order import shuffled
from pipeline.data.sources import SPLITS, Examples, Part
from pipeline.draws import seed_of
from pipeline.errors import UserError

_QUARTILES = (0.25, 0.5, 0.75)
_MISSING = -1
_AT_ONCE = 1 << 20  # rows that are ordered at a time
_DENSE = 1 << 22  # patterns so numbered that a table of them is small


@dataclass(frozen=True)
class Chosen:
    """Some rows of a part: nothing is copied until they are written.

    Attributes:
        part: All rows.
        where: Which of them, bool [N].
    """

    part: Part
    where: np.ndarray

    def __len__(self) -> int:
        return int(np.count_nonzero(self.where))

    @property
    def rows(self) -> np.ndarray:
        """Their increasing row numbers, int64."""
        return np.flatnonzero(self.where)

    def labels(self, label: str) -> np.ndarray:
        """The rows' labels, as the part has them."""
        return self.part.labels[label][self.where]

    def pieces(self) -> dict[int, "Chosen"]:
        """What is written in one go, by the row of the split that it begins at."""
        return {0: self}


def split(
    name: str, examples: Examples, labels: list[str], validation: float, test: float, seed: int
) -> dict[str, Chosen]:
    """Split a source's training part; `test` applies only where it has no test part of its own.

    Rows are drawn so that each pattern of labels keeps its share, up to one row; of a number counts the quarter that it
    is in. A part's groups, times or own splits come before that: see `Part`.

    Args:
        name: Of the source, for the draws and messages.
        examples: All that it holds.
        labels: The labels that tasks use, by which rows are stratified.
        validation: Share of the training part.
        test: Share of all rows.
        seed: Root of the draws.

    Raises:
        UserError: A split would be empty.
    """
    found = given(name, examples)
    if "test" not in found:
        what, train = f"data.test={test}: source '{name}'", found["train"]
        found["train"], found["test"] = _cut(what, train, labels, round(test * len(train)), seed_of(seed, name, "test"))
    return with_validation(name, found, labels, validation, None, seed)


def with_validation(
    name: str, found: dict[str, Chosen], labels: list[str], validation: float, rows: int | None, seed: int
) -> dict[str, Chosen]:
    """Cut validation from train unless the source has it, or the share is 0.

    Args:
        name: Of the source, for the draws and messages.
        found: Its other splits.
        labels: By which rows are stratified.
        validation: Share of train.
        rows: How many rows that is; None for as many as the share says.
        seed: Root of the draws.

    Returns:
        The splits in the order of `SPLITS`.

    Raises:
        UserError: A split would be empty.
    """
    if validation > 0.0 and "validation" not in found:
        what, train = f"data.validation={validation}: source '{name}'", found["train"]
        count = round(validation * len(train)) if rows is None else rows
        found["train"], found["validation"] = _cut(what, train, labels, count, seed_of(seed, name, "validation"))
    return {it: found[it] for it in SPLITS if it in found and (it != "validation" or validation > 0.0)}


def given(name: str, examples: Examples) -> dict[str, Chosen]:
    """The splits that a source says itself; all rows are train where it says nothing.

    Raises:
        UserError: No row is train.
    """
    found = _given(name, examples.train)
    return found if examples.test is None else found | {"test": all_of(examples.test)}


def all_of(part: Part) -> Chosen:
    """All rows."""
    return Chosen(part, np.ones(len(part.inputs), bool))


def _given(name: str, part: Part) -> dict[str, Chosen]:
    """What the part itself says; all rows are train where it says nothing."""
    if part.split is None:
        return {"train": all_of(part)}
    found = {it: Chosen(part, part.split == place) for place, it in enumerate(SPLITS)}
    if not len(found["train"]):
        raise UserError(f"source '{name}': no row is given to train")
    return {it: chosen for it, chosen in found.items() if len(chosen)}


def _cut(what: str, chosen: Chosen, labels: list[str], count: int, seed: int) -> tuple[Chosen, Chosen]:
    """Keep and cut so many rows.

    Raises:
        UserError: One of the two would be empty.
    """
    rows = len(chosen)
    if not 0 < count < rows:
        raise UserError(
            f"{what} has {rows} rows to be divided, too few for this share: one of the splits would be empty"
        )
    part = chosen.part
    if part.time is not None:
        is_cut = _latest(what, part.time[chosen.where], count)
    elif part.group is not None:
        is_cut = _some_groups(what, part.group[chosen.where], count, seed)
    else:
        is_cut = _of_each_pattern(patterns_of(chosen, labels), count, seed)
    cut = np.zeros(len(chosen.where), bool)
    cut[chosen.where] = is_cut
    return Chosen(part, chosen.where & ~cut), Chosen(part, cut)


def _latest(what: str, times: np.ndarray, count: int) -> np.ndarray:
    """The latest rows, as near to so many as can be without parting rows of the same time."""
    moments, sizes = np.unique(times, return_counts=True)
    if len(moments) < 2:
        raise UserError(f"{what} has one time only, and nothing is later: leave out its time")
    later = np.cumsum(sizes[::-1])[::-1][1:]  # rows cut where the cut begins with each moment but the first
    first: np.ndarray = moments[1:][np.argmin(np.abs(later - count))]
    return times >= first


def _some_groups(what: str, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Whole groups in random order until the next one would bring more rows than are missing."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise UserError(f"{what} has one group only, which cannot be in two splits: leave out its group")
    order = np.random.default_rng(seed).permutation(len(names))
    left, taken = count, np.zeros(len(names), bool)
    for group in order:
        if sizes[group] <= left:
            taken[group], left = True, left - int(sizes[group])
    if not taken.any():
        taken[order[np.argmin(sizes[order])]] = True
    if taken.all():
        taken[order[-1]] = False
    return taken[inverse]


def _of_each_pattern(patterns: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows so that of each pattern's rows the share is cut, rounded up or down: bool [N].

    scikit-learn's `train_test_split` refuses patterns of one row, and more patterns than rows to cut: with several
    tasks and missing labels both are ordinary.
    """
    rows, draw = len(patterns), np.random.default_rng(seed)
    places = along_patterns(patterns, draw, seed)
    first = next(places)
    offset = draw.integers(rows)
    is_cut = np.empty(rows, bool)
    for chunk, at in chain([first], places):
        # Along the rows, pattern by pattern, a row is cut whenever the running share passes a whole number.
        is_cut[chunk] = (offset + count * (at + 1)) // rows > (offset + count * at) // rows
    return is_cut


def along_patterns(
    patterns: np.ndarray, draw: np.random.Generator, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers, and their places when the patterns lie one after another, each in random order; in chunks."""
    sizes = np.bincount(patterns)
    place = np.cumsum(sizes) - sizes  # of each pattern's next row
    for chunk in _random_order(len(patterns), draw, seed):
        own = patterns[chunk]
        by_pattern = np.argsort(own, kind="stable")
        present, begins, counts = np.unique(own[by_pattern], return_index=True, return_counts=True)
        within = np.arange(len(chunk)) - np.repeat(begins, counts)
        at = np.repeat(place[present], counts) + within
        place[present] += counts
        yield chunk[by_pattern], at


def patterns_of(chosen: Chosen, labels: list[str]) -> np.ndarray:
    """The number of each row's pattern of these labels, int32 [N]: counted from 0 in lexicographic order."""
    patterns = np.zeros(len(chosen), np.int32)
    for column in strata_of(chosen, labels):
        low, high = int(column.min()), int(column.max())
        patterns = _dense(patterns.astype(np.int64) * (high - low + 1) + (column - low))
    return patterns


def strata_of(chosen: Chosen, labels: list[str]) -> Iterator[np.ndarray]:
    """What the rows are stratified by: whole numbers [N] for each class, quarter, or one of several labels or tags."""
    for label in labels:
        yield from _strata(chosen.labels(label)).T


def _random_order(rows: int, draw: np.random.Generator, seed: int) -> Iterator[np.ndarray]:
    """All row numbers in random order, in chunks; of many rows no list of them exists."""
    if rows <= _AT_ONCE:
        yield draw.permutation(rows)
        return
    for start in range(0, rows, _AT_ONCE):
        yield shuffled(rows, [seed], start, min(start + _AT_ONCE, rows))[0]


def _dense(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers from 0 as their ranks among those that occur, int32."""
    largest = int(numbers.max())
    if largest >= _DENSE:
        return np.unique(numbers, return_inverse=True)[1].ravel().astype(np.int32)
    occurs = np.zeros(largest + 1, bool)
    occurs[numbers] = True
    return (np.cumsum(occurs) - 1).astype(np.int32)[numbers]


def _tags_that_occur(labels: np.ndarray) -> np.ndarray:
    """Which tags but the first, which says that there is nothing, occur in each row of tags [N, T]: [N, C - 1]."""
    every = range(1, max(int(labels.max(initial=0)), 1) + 1)
    return np.stack([(labels == tag).any(1) for tag in every], 1).astype(np.int8)


def _strata(labels: np.ndarray) -> np.ndarray:
    """What the rows are stratified by, whole numbers [N, L]."""
    if np.issubdtype(labels.dtype, np.integer):
        return labels[:, None] if labels.ndim == 1 else _tags_that_occur(labels)
    if labels.ndim == 2:
        return np.nan_to_num(labels, nan=_MISSING).astype(np.int8)
    known = ~np.isnan(labels)
    quarters = np.full(len(labels), _MISSING, np.int8)
    if known.any():
        edges = np.quantile(labels[known], _QUARTILES)
        for start in range(0, len(labels), _AT_ONCE):  # digitize answers eight bytes a row
            part = slice(start, start + _AT_ONCE)
            quarters[part] = np.where(known[part], np.digitize(labels[part], edges), _MISSING)
    return quarters[:, None]
