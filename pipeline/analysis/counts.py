"""Metrics that are counts and ranks of one task's answers, by numpy: scikit-learn takes most of a second to import.

Each is what scikit-learn's function of the same name answers, which a test holds to 1e-12. Shapes: N rows, C classes.
"""

from collections.abc import Sequence

import numpy as np

ROUNDING = 1e-12
"""Times the sum of their squares: what computing in float64 leaves of the squared deviations of equal targets."""


def confusions(true: np.ndarray, predicted: np.ndarray, count: int) -> np.ndarray:
    """The cells of the confusion matrix that are not 0, in its order: true class, answered class, rows; int64 [M, 3].

    A matrix of 20,000 classes has 400 million cells; no more than N of them are taken.
    """
    cells, rows = np.unique(true.astype(np.int64) * count + predicted, return_counts=True)
    return np.stack([cells // max(count, 1), cells % max(count, 1), rows], 1)


def added(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of several `confusions`."""
    every = np.concatenate(parts)
    cells, place = np.unique(every[:, :2], axis=0, return_inverse=True)
    rows = np.bincount(place.ravel(), every[:, 2], len(cells)).astype(np.int64)
    return np.column_stack([cells, rows])


def balanced_accuracy(true: np.ndarray, predicted: np.ndarray, count: int) -> float:
    """The mean share of right answers over those of C classes that have rows."""
    rows, right = np.bincount(true, minlength=count), np.bincount(true[true == predicted], minlength=count)
    there = rows > 0
    return float((right[there] / rows[there]).mean())


def macro_f1(true: np.ndarray, predicted: np.ndarray, count: int) -> float:
    """The mean F1 score over those of C classes that have rows or were answered."""
    either = np.bincount(true, minlength=count) + np.bincount(predicted, minlength=count)
    right, there = np.bincount(true[true == predicted], minlength=count), either > 0
    return float((2 * right[there] / either[there]).mean())


def f1_score(true: np.ndarray, predicted: np.ndarray) -> float:
    """Of class 1, from booleans or 0 and 1 [N]; 0 where it neither has rows nor was answered."""
    true, predicted = true.astype(bool), predicted.astype(bool)
    either = np.count_nonzero(true) + np.count_nonzero(predicted)
    return 2 * np.count_nonzero(true & predicted) / either if either else 0.0


def roc_auc(true: np.ndarray, scores: np.ndarray) -> float:
    """The share of pairs of a row of class 1 and one of class 0 that are ranked rightly, ties by half.

    Mann and Whitney 1947. NaN without rows of both classes.
    """
    positive = true > 0
    ones = np.count_nonzero(positive)
    if not 0 < ones < len(true):
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = counts.cumsum() - (counts - 1) / 2  # of equals their mean
    return float((ranks[place[positive]].sum() - ones * (ones + 1) / 2) / (ones * (len(true) - ones)))


def average_precision(true: np.ndarray, scores: np.ndarray) -> float:
    """The mean over the rows of class 1 of the precision among all rows that score as high or higher.

    NaN without rows of both classes.
    """
    if not 0 < np.count_nonzero(true > 0) < len(true):
        return float("nan")
    values, place = np.unique(-scores, return_inverse=True)
    ones = np.bincount(place, true > 0, len(values))
    found, of = ones.cumsum(), np.bincount(place, minlength=len(values)).cumsum()
    return float((found / of * ones).sum() / ones.sum())


def r2_score(true: np.ndarray, answered: np.ndarray) -> float:
    """The share of the variance that is explained; 0 of a constant that is not met exactly, else 1."""
    true, answered = true.astype(np.float64), answered.astype(np.float64)
    errors, all_ = ((true - answered) ** 2).sum(), ((true - true.mean()) ** 2).sum()
    if all_ <= ROUNDING * (true**2).sum():
        return float(errors == 0.0)
    return float(1.0 - errors / all_)
