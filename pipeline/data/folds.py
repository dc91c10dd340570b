"""Folds: the training rows of a source, cut for cross-validation, and written fold after fold.

So a fold is a range of rows, and what a network that holds it out trains on are the rows before and behind: no list of
row numbers exists, here or in training. Drawn rows are stratified and groups kept together, as in
`pipeline.data.splitting`. Rows that have a time are chained forward: a fold comes after all that its networks train on
(the rolling origin of Tashman 2000, "Out-of-sample tests of forecasting accuracy"), and the oldest block is in no fold.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from pipeline.data.prepared import known
from pipeline.data.sources import SPLITS
from pipeline.data.splitting import Chosen, along_patterns, patterns_of
from pipeline.draws import seed_of
from pipeline.errors import UserError


class Fold(NamedTuple):
    """Where a fold lies in the training rows as they are written.

    Attributes:
        start: Its first row.
        stop: Behind its last row.
        end: Behind the last row that plays a part: training takes those before `start`, and from `stop` to here.
    """

    start: int
    stop: int
    end: int


@dataclass(frozen=True)
class Folded(Chosen):
    """Training rows in blocks: the folds, and where rows have a time, before them the block that is in none.

    Attributes:
        block: Of each row that `where` chooses, uint8.
        folds: In order.
    """

    block: np.ndarray
    folds: tuple[Fold, ...]

    @property
    def rows(self) -> np.ndarray:
        """Their row numbers, block after block."""
        return super().rows[np.argsort(self.block, kind="stable")]

    def labels(self, label: str) -> np.ndarray:
        """The rows' labels, block after block."""
        return super().labels(label)[np.argsort(self.block, kind="stable")]

    def pieces(self) -> dict[int, Chosen]:
        """The blocks, by their first row."""
        found = {}
        for block, start in enumerate(_starts(self.block)):
            where = np.zeros(len(self.where), bool)
            where[self.where] = self.block == block
            found[start] = Chosen(self.part, where)
        return found


def folded(name: str, chosen: Chosen, labels: list[str], folds: int, seed: int) -> Folded:
    """Cut a source's training rows into folds.

    Args:
        name: Of the source, for the draws and messages.
        chosen: The rows.
        labels: By which rows are stratified.
        folds: How many.
        seed: Root of the draws.

    Raises:
        UserError: There are too few rows, groups or times, or the source says itself which rows validate.
    """
    part, what = chosen.part, f"training.folds={folds}: source '{name}'"
    own = seed_of(seed, name, "folds")
    if part.split is not None and (part.split == SPLITS.index("validation")).any():
        raise UserError(f"{what} says itself which rows are validation: leave those out, or training.folds")
    if part.time is not None:
        block = _blocks_of_time(what, part.time[chosen.where], folds + 1).astype(np.uint8)
    elif part.group is not None:
        block = _whole_groups(what, part.group[chosen.where], folds, own)
    else:
        block = _dealt(what, patterns_of(chosen, labels), folds, own)
    edges = [*_starts(block), len(block)]
    if part.time is not None:
        spans = tuple(Fold(start, stop, stop) for start, stop in pairwise(edges[1:]))
    else:
        spans = tuple(Fold(start, stop, len(block)) for start, stop in pairwise(edges))
    return Folded(part, chosen.where, block, spans)


def of_folds(task: str, targets: np.ndarray, folds: Sequence[Fold], classes: int) -> list[dict[str, Any]]:
    """What the manifest says of a task's targets in each fold: `counts` and `labelled` of `train` and `validation`.

    Args:
        task: Its name, for messages.
        targets: Of all training rows, as they are stored.
        folds: Of its source.
        classes: How many classes it has; 0 where targets are numbers.

    Raises:
        UserError: A fold has no target, or nothing to learn from.
    """
    found = []
    for number, (start, stop, end) in enumerate(folds):
        own = {"train": [targets[:start], targets[stop:end]], "validation": [targets[start:stop]]}
        labelled = {split: _sum(_labelled(it) for it in parts) for split, parts in own.items()}
        for split, there in labelled.items():
            if not any(there):
                where = f"fold {number}" if split == "validation" else f"what fold {number} would be learnt from"
                raise UserError(f"task '{task}': no row of {where} has a label: lower training.folds")
        if not _measurable(targets[start:stop]):
            raise UserError(f"task '{task}': all rows of fold {number} have the same target: lower training.folds")
        counts = {split: _sum(_counts(it, classes) for it in parts) for split, parts in own.items()} if classes else {}
        found.append({"counts": counts, "labelled": labelled})
    return found


def _labelled(targets: np.ndarray) -> np.ndarray:
    """Rows with a target, [1], or with each of several labels, [L]; of tags [N, T] rows with any."""
    there = known(targets)
    tags = targets.ndim > 1 and np.issubdtype(targets.dtype, np.integer)
    return np.atleast_1d((there.any(1) if tags else there).sum(0))


def _measurable(targets: np.ndarray) -> bool:
    """Whether ROC-AUC or R2 can be told: some label is both there and absent, or numbers differ; classes always can."""
    if not np.issubdtype(targets.dtype, np.floating):
        return True
    return bool((np.nanmin(targets, 0, initial=np.inf) < np.nanmax(targets, 0, initial=-np.inf)).any())


def _sum(arrays: Iterable[np.ndarray]) -> list[int]:
    return np.sum(list(arrays), 0).tolist()


def _starts(block: np.ndarray) -> list[int]:
    """The first row of each block when they are written one after another."""
    sizes = np.bincount(block)
    return (np.cumsum(sizes) - sizes).tolist()


def _dealt(what: str, patterns: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Each row's fold: the rows, pattern by pattern, dealt in turn; so sizes differ by one row at most."""
    if len(patterns) < folds:
        raise UserError(f"{what} has {len(patterns)} rows: lower training.folds")
    block = np.empty(len(patterns), np.uint8)
    for rows, at in along_patterns(patterns, np.random.default_rng(seed), seed):
        block[rows] = at % folds
    return block


def _whole_groups(what: str, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Each row's fold: the largest group first, each to the fold with the fewest rows; equal ones in random order.

    Longest processing time first (Graham 1969), as scikit-learn's `GroupKFold` deals them.
    """
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise UserError(f"{what} has {len(names)} groups, and none can be in two folds: lower training.folds")
    mixed = np.random.default_rng(seed).permutation(len(names))
    order = mixed[np.argsort(-sizes[mixed], kind="stable")]
    of_group = np.empty(len(names), np.uint8)
    loads = [(0, fold) for fold in range(folds)]
    for group in order:
        rows, fold = loads[0]
        of_group[group] = fold
        heapq.heapreplace(loads, (rows + int(sizes[group]), fold))
    return of_group[inverse]


def _blocks_of_time(what: str, times: np.ndarray, blocks: int) -> np.ndarray:
    """Each row's block, the oldest first, as even as can be without parting rows of the same time."""
    if (moments := len(np.unique(times))) < blocks:
        raise UserError(f"{what} has {moments} times, {blocks} are needed: lower training.folds")
    return blocks_of_time(times, [len(times) * number / blocks for number in range(1, blocks)])


def blocks_of_time(times: np.ndarray, starts: Sequence[float], oldest: int = 1) -> np.ndarray:
    """Each row's block, the oldest first: none parts rows of the same time.

    Args:
        times: Of the rows; at least so many different ones as the oldest block has and as there are starts.
        starts: How many rows should lie before each block but the oldest.
        oldest: Different times of the oldest block, at least.
    """
    moments, sizes = np.unique(times, return_counts=True)
    earlier = np.cumsum(sizes) - sizes  # rows before each moment
    firsts: list[int] = []
    for number, start in enumerate(starts):
        nearest = int(np.argmin(np.abs(earlier - start)))
        least = firsts[-1] + 1 if firsts else oldest
        firsts.append(min(max(nearest, least), len(moments) - len(starts) + number))
    return np.searchsorted(moments[firsts], times, side="right")


def _counts(targets: np.ndarray, classes: int) -> np.ndarray:
    """Rows of each class, or with each label."""
    if np.issubdtype(targets.dtype, np.floating):
        return np.nansum(targets, 0).astype(int)
    return np.bincount(targets[targets >= 0], minlength=classes)
