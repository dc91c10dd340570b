"""Outer folds: every row tests, each fold of each repeat in one replicate of the whole procedure.

Rows are dealt so that each class and each pattern of labels keeps its share in every fold; rows of one group, and rows
with the very same inputs, stay together. Rows that have a time test in later blocks only: a replicate learns from what
is earlier than its block, and the older half of the rows tests in none (the rolling origin of Tashman 2000).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.config.data import OuterFolds
from pipeline.data.dealing import fold_of_each, numbered
from pipeline.data.folds import blocks_of_time
from pipeline.data.leaks import together
from pipeline.data.sources import Examples
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


def dealt(found: OuterFolds, sources: Sequence[OuterSource], seed: int) -> Outer:
    """Deal the rows of each source to as many folds."""
    of = {it.name: _assigned(it, found, seed) for it in sources}
    return Outer(found.folds, found.repeats, {it.name: it for it in sources}, of)


def _assigned(source: OuterSource, found: OuterFolds, seed: int) -> np.ndarray:
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
