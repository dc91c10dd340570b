"""Outer folds: every row tests, each fold of each repeat in one replicate of the whole procedure.

Rows are dealt so that each class and each pattern of labels keeps its share in every fold; rows of one group, and rows
with the very same inputs, stay together. Rows that have a time test in later blocks only: a replicate learns from what
is earlier than its block, and the older half of the rows tests in none (the rolling origin of Tashman 2000).
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.config.data import OuterFolds
from pipeline.data.folds import blocks_of_time
from pipeline.data.leaks import together
from pipeline.data.sources import Examples
from pipeline.data.splitting import Chosen, given, patterns_of, strata_of, with_validation
from pipeline.draws import seed_of
from pipeline.errors import UserError

SMALL = 5_000
"""Tables of fewer rows test all of them, where nothing else is said."""

SHARE = 0.2
"""Of the rows, that larger ones test."""

_FOLDS = OuterFolds(folds=5, repeats=2)
_FEWEST, _LEAST_ROWS = 3, 4  # folds that are worth the work; rows of a fold
_NONE = -1


@dataclass(frozen=True)
class OuterSource:
    """A source whose rows test.

    Attributes:
        name: Of the source.
        examples: All that it holds.
        labels: The labels that tasks use, by which rows are stratified.
        hashes: Of each row's inputs, uint64 [N].
    """

    name: str
    examples: Examples
    labels: list[str]
    hashes: np.ndarray

    @cached_property
    def rows(self) -> Chosen:
        """Those that test: all that the source does not give to validation."""
        return given(self.name, self.examples)["train"]

    @property
    def is_timed(self) -> bool:
        """Its rows have a time."""
        return self.examples.train.time is not None

    @cached_property
    def units(self) -> np.ndarray:
        """What stays together, by number: int64 [N] of the rows that test."""
        group = self.examples.train.group
        return together(self.hashes[self.rows.where], None if group is None else group[self.rows.where])

    @property
    def repeated(self) -> int:
        """How many rows have the very inputs of another."""
        _, counts = np.unique(self.hashes[self.rows.where], return_counts=True)
        return int(counts[counts > 1].sum())


@dataclass(frozen=True)
class Outer:
    """Which rows each replicate tests; replicate r is fold r % folds of repeat r // folds.

    Attributes:
        folds: Of each repeat.
        repeats: How often the rows are dealt.
        sources: By name.
        of: By source the fold that tests each row, int16 [N, repeats]; -1 where none does.
    """

    folds: int
    repeats: int
    sources: Mapping[str, OuterSource]
    of: Mapping[str, np.ndarray]

    @property
    def replicates(self) -> int:
        """How many."""
        return self.folds * self.repeats

    def splits(self, name: str, replicate: int | None, validation: float, seed: int) -> dict[str, Chosen]:
        """The splits of a source.

        Args:
            name: Of the source.
            replicate: Whose; None for all rows, of which none is test.
            validation: Share of what is not test.
            seed: Root of the draws.

        Raises:
            UserError: A split would be empty.
        """
        source = self.sources[name]
        found, count = given(name, source.examples), None
        if replicate is not None:
            repeat, fold = divmod(replicate, self.folds)
            of, rows = self.of[name][:, repeat], source.rows
            is_test = of == fold
            is_learnt = (of < fold if source.is_timed else of != fold) & ~np.isin(source.hashes, source.hashes[is_test])
            found |= {"train": Chosen(rows.part, rows.where & is_learnt), "test": Chosen(rows.part, is_test)}
            count = self._validating(name, validation, int(is_test.sum()))
        return with_validation(name, found, source.labels, validation, count, seed)

    def _validating(self, name: str, share: float, tested: int) -> int | None:
        """Rows of validation such that all replicates train on as many, where tests are equal but for a row."""
        sizes = [np.bincount(of[of >= 0], minlength=self.folds) for of in self.of[name].T]
        if self.sources[name].is_timed or np.ptp(sizes) > 1 or self.sources[name].examples.train.group is not None:
            return None
        fewest = len(self.sources[name].rows) - int(np.max(sizes))
        return round(share * fewest) + int(np.max(sizes)) - tested


def gives_test(examples: Examples) -> bool:
    """Whether a source itself says which rows test."""
    return "test" in given("", examples)


def is_small(sources: Sequence[Examples]) -> bool:
    """Whether every row tests where nothing is said: few rows, and no source says which test, or orders them."""
    return min(len(it.train.inputs) for it in sources) < SMALL and not any(
        gives_test(it) or it.train.time is not None for it in sources
    )


def settled(wanted: OuterFolds | None, sources: Sequence[OuterSource]) -> tuple[OuterFolds | None, list[str]]:
    """How often and in how many folds these sources are cut, all alike.

    Args:
        wanted: What is asked for; None for what the rows carry, at most 5 folds x 2.
        sources: All of them.

    Returns:
        The folds, None where the rows carry none; and lines about what differs from what is wanted.

    Raises:
        UserError: What is asked for cannot be had.
    """
    asked = wanted or _FOLDS
    folds, repeats, notes = asked.folds, asked.repeats, []
    for source in sources:
        for most, why, may_be_fewer in _limits(source):
            if most >= folds:
                continue
            if wanted and not (may_be_fewer and most > 1):
                remedy = f"lower data.test.folds to {most}, or" if most > 1 else "instead"
                raise UserError(
                    f"data.test.folds={wanted.folds}: source '{source.name}' has {why}: {remedy} give data.test a "
                    f"share, such as data.test={SHARE}"
                )
            least = 1 if wanted else _FEWEST
            if most < least and not may_be_fewer:
                return None, [f"one split tests, and not every row: source '{source.name}' has {why}"]
            folds = max(most, least)
            notes.append(f"{folds} folds instead of {asked.folds}: source '{source.name}' has {why}")
    for source in sources if repeats > 1 else ():
        if source.is_timed or len(np.unique(source.units)) == folds:
            why = "rows in order of time" if source.is_timed else f"{folds} groups, each of which is a fold"
            repeats, notes = 1, [*notes, f"1 repeat instead of {asked.repeats}: source '{source.name}' has {why}"]
            break
    return OuterFolds(folds=folds, repeats=repeats), notes


def dealt(found: OuterFolds, sources: Sequence[OuterSource], seed: int) -> Outer:
    """Deal the rows of each source to as many folds."""
    of = {it.name: _assigned(it, found, seed) for it in sources}
    return Outer(found.folds, found.repeats, {it.name: it for it in sources}, of)


def _limits(source: OuterSource) -> Iterator[tuple[int, str, bool]]:
    """The most folds that its rows carry, why, and whether fewer may simply be taken."""
    rows, part = len(source.rows), source.examples.train
    yield rows // _LEAST_ROWS, f"{rows} rows, and a fold needs {_LEAST_ROWS}", False
    if part.time is not None:
        times = len(np.unique(part.time[source.rows.where]))
        yield times - 2, f"{times} different times, of which the oldest two test nothing", True
        return
    units = len(np.unique(source.units))
    what = "rows of different inputs" if part.group is None else "groups"
    yield units, f"{units} {what}, none of which can be in two folds", False
    for label in source.labels:
        values, names = source.rows.labels(label), source.examples.classes[label]
        yield from ((count, f"{count} rows {what}", False) for count, what in _rarest(label, values, names))


def _rarest(label: str, values: np.ndarray, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """How many rows the rarest class has, and which that is; of several labels each counts. Tags do not."""
    floating = np.issubdtype(values.dtype, np.floating)
    if values.ndim == 1 and not floating:
        counts = np.bincount(values[values >= 0], minlength=len(names))
        if occur := np.flatnonzero(counts).tolist():
            rarest = min(occur, key=lambda place: counts[place])
            yield int(counts[rarest]), f"of class '{names[rarest]}' of label '{label}'"
    elif values.ndim == 1:
        yield int(np.count_nonzero(~np.isnan(values))), f"with a value of label '{label}'"
    elif floating:
        for name, column in zip(names, values.T, strict=True):
            sides = {value: int(np.count_nonzero(column == value)) for value in (1, 0)}
            if all(sides.values()):
                value = min(sides, key=lambda it: sides[it])
                yield sides[value], f"whose label '{name}' is {value}"


def _assigned(source: OuterSource, found: OuterFolds, seed: int) -> np.ndarray:
    where, times = source.rows.where, source.examples.train.time
    of = np.full((len(where), found.repeats), _NONE, np.int16)
    if times is not None:
        times = times[where]
        starts = [len(times) * (0.5 + 0.5 * fold / found.folds) for fold in range(found.folds)]
        of[where, 0] = blocks_of_time(times, starts, oldest=2) - 1
        return of
    patterns = patterns_of(source.rows, source.labels)
    strata = _numbered([np.zeros(len(patterns), int), *strata_of(source.rows, source.labels)])
    for repeat in range(found.repeats):
        draw = np.random.default_rng(seed_of(seed, source.name, "outer", repeat))
        of[where, repeat] = _fold_of_each(source.units, strata, patterns, found.folds, draw)
    return of


def _numbered(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Columns of whole numbers [N] with numbers of their own each: int64 [N, C] from 0."""
    found, used = [], 0
    for column in columns:
        names, places = np.unique(column, return_inverse=True)
        found.append(places + used)
        used += len(names)
    return np.stack(found, 1)


def _fold_of_each(
    units: np.ndarray, strata: np.ndarray, patterns: np.ndarray, folds: int, draw: np.random.Generator
) -> np.ndarray:
    """Each row's fold: large units first, each to the fold that has least of its strata, then single rows in turn.

    Single rows lie class by class from the rarest, and within it pattern by pattern, so that each is dealt evenly, and
    each goes to the fold with the fewest rows (Graham 1969).

    Args:
        units: What stays together, int64 [N].
        strata: To which a row belongs, numbered over all columns: int64 [N, C]; the first column is the same for all.
        patterns: Of each row, int [N].
        folds: How many.
        draw: Order of what is alike.
    """
    _, first, inverse, sizes = np.unique(units, return_index=True, return_inverse=True, return_counts=True)
    totals = np.bincount(strata.ravel())
    own = totals[strata[first]]
    rarest = strata[first, own.argmin(1)]
    alike = draw.permutation(len(sizes))
    order = np.lexsort((alike, patterns[first], rarest, own.min(1), -np.frexp(sizes)[1]))
    rows = np.split(np.argsort(inverse, kind="stable"), np.cumsum(sizes)[:-1])
    most, has = -(-len(units) // folds), np.zeros((folds, len(totals)))
    turn = draw.permutation(folds).tolist()
    of = np.empty(len(sizes), np.int16)
    several = int(np.count_nonzero(sizes > 1))
    for unit in order[:several].tolist():
        marks = np.bincount(strata[rows[unit]].ravel(), minlength=len(totals))
        cost, full = has @ (marks / totals), has[:, 0] + sizes[unit] > most
        fold = min(range(folds), key=lambda it: (full[it], has[it, 0] if full[it] else cost[it], has[it, 0], turn[it]))
        of[unit] = fold
        has[fold] += marks
    loads = [(int(has[fold, 0]), turn[fold], fold) for fold in range(folds)]
    heapq.heapify(loads)
    for unit in order[several:].tolist():
        load, at, fold = loads[0]
        of[unit] = fold
        heapq.heapreplace(loads, (load + 1, at, fold))
    return of[inverse]
