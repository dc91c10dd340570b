"""Dealing rows into folds that are alike: each class, and each pattern of labels, keeps its share in every fold."""

import heapq
from collections.abc import Sequence

import numpy as np


def numbered(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Columns of whole numbers [N] with numbers of their own each: int64 [N, C] from 0."""
    found, used = [], 0
    for column in columns:
        names, places = np.unique(column, return_inverse=True)
        found.append(places + used)
        used += len(names)
    return np.stack(found, 1)


def fold_of_each(
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
