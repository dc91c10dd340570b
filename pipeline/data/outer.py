"""Outer folds: every row tests, each fold of each repeat in one replicate of the whole procedure.

Rows are dealt so that each class and each pattern of labels keeps its share in every fold; rows of one group, and rows
with the very same inputs, stay together. Rows that have a time test in later blocks only: a replicate learns from what
is earlier than its block, and the older half of the rows tests in none (the rolling origin of Tashman 2000).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipeline.config.data import OuterFolds
from pipeline.data.dealing import fold_of_each, numbered
from pipeline.data.folds import blocks_of_time
from pipeline.data.leaks import together
from pipeline.data.sources import Examples
from pipeline.data.sources.labels import spelled
from pipeline.data.splitting import Chosen, given, patterns_of, strata_of, with_validation
from pipeline.draws import seed_of

SMALL = 5_000
"""Tables of fewer rows test all of them, where nothing else is said."""


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

    @property
    def is_once(self) -> bool:
        """The rows can be cut into these folds in one way alone: by time, or into groups of which each is a fold."""
        return any(it.is_timed or len(np.unique(it.units)) == self.folds for it in self.sources.values())

    def splits(
        self, name: str, replicate: int | None, validation: float, seed: int
    ) -> tuple[Examples, dict[str, Chosen]]:
        """A source's examples, with classes as rows that do not test spell them, and its splits.

        Args:
            name: Of the source.
            replicate: Whose; None for all rows, of which none is test.
            validation: Share of what is not test.
            seed: Root of the draws.

        Raises:
            UserError: A split would be empty.
        """
        source = self.sources[name]
        if replicate is None:
            found = given(name, source.examples)
            return source.examples, with_validation(name, found, source.labels, validation, None, seed)
        repeat, fold = divmod(replicate, self.folds)
        of = self.of[name][:, repeat]
        is_test = of == fold
        is_known = (of < fold if source.is_timed else ~is_test) & ~np.isin(source.hashes, source.hashes[is_test])
        examples = as_known(source.examples, is_known)
        found = {it: Chosen(chosen.part, chosen.where & is_known) for it, chosen in given(name, examples).items()}
        found["test"] = Chosen(examples.train, is_test)
        count = self._validating(name, validation, int(is_test.sum()))
        return examples, with_validation(name, found, source.labels, validation, count, seed)

    def _validating(self, name: str, share: float, tested: int) -> int | None:
        """Rows of validation such that all replicates train on as many, where tests are equal but for a row."""
        sizes = [np.bincount(of[of >= 0], minlength=self.folds) for of in self.of[name].T]
        if self.sources[name].is_timed or np.ptp(sizes) > 1 or self.sources[name].examples.train.group is not None:
            return None
        fewest = len(self.sources[name].rows) - int(np.max(sizes))
        return round(share * fewest) + int(np.max(sizes)) - tested


def as_known(examples: Examples, known: np.ndarray) -> Examples:
    """Examples whose classes are spelled and ordered as those of some rows [N] are, the others behind them."""
    classes, labels = dict(examples.classes), dict(examples.train.labels)
    for label in examples.worded:
        codes = labels[label]
        occurs = np.bincount(codes[known] + 1, minlength=len(classes[label]) + 1)[1:] > 0
        classes[label], places = spelled(classes[label], occurs)
        labels[label] = np.array([*places, -1], codes.dtype)[codes]  # that of missing ones is the last
    return replace(examples, train=replace(examples.train, labels=labels), classes=classes)


def gives_test(examples: Examples) -> bool:
    """Whether a source itself says which rows test."""
    return "test" in given("", examples)


def is_small(sources: Iterable[Examples]) -> bool:
    """Whether every row tests where nothing is said: few rows, and no source says which test, or orders them.

    Args:
        sources: All of them; one that is asked for is read, and after one that says which test none is.
    """
    rows = []
    for it in sources:
        if gives_test(it) or it.train.time is not None:
            return False
        rows.append(len(it.train.inputs))
    return min(rows) < SMALL


def dealt(found: OuterFolds, sources: Sequence[OuterSource], seed: int) -> Outer:
    """Deal the rows of each source to as many folds."""
    of = {it.name: _fold_of(it, found, seed) for it in sources}
    return Outer(found.folds, found.repeats, {it.name: it for it in sources}, of)


def assigned(of: Mapping[str, np.ndarray], sources: Sequence[OuterSource]) -> Outer:
    """What an earlier call dealt, whatever labels the rows have now."""
    folds, repeats = max(int(it.max()) + 1 for it in of.values()), min(it.shape[1] for it in of.values())
    return Outer(folds, repeats, {it.name: it for it in sources}, of)


def _fold_of(source: OuterSource, found: OuterFolds, seed: int) -> np.ndarray:
    where, times = source.rows.where, source.examples.train.time
    of = np.full((len(where), found.repeats), -1, np.int16)
    if times is not None:
        times = times[where]
        starts = [len(times) * (0.5 + 0.5 * fold / found.folds) for fold in range(found.folds)]
        of[where, 0] = blocks_of_time(times, starts, oldest=2) - 1
        return of
    patterns = patterns_of(source.rows, source.labels)
    strata = numbered([np.zeros(len(patterns), int), *strata_of(source.rows, source.labels)])
    for repeat in range(found.repeats):
        draw = np.random.default_rng(seed_of(seed, source.name, "outer", repeat))
        of[where, repeat] = fold_of_each(source.units, strata, patterns, found.folds, draw)
    return of
