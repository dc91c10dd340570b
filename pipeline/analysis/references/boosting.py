"""Gradient boosting of tables (Friedman 2001, Annals of Statistics 29) as scikit-learn has it, on histograms.

These are as in LightGBM (Ke et al. 2017), at scikit-learn's defaults; only a very wide table has coarser ones, as each
leaf of a growing tree holds one of every column.

Shapes: N rows, F values a row, C classes.
"""

import warnings
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from pipeline.analysis.references.chances import spread
from pipeline.analysis.references.learning import Method
from pipeline.data.prepared import PreparedSource, PreparedTask

METHOD = Method("gradient boosting", rounds=100, library="sklearn.ensemble")

_MOST_BINS = 255  # scikit-learn's default, and the most categories that it takes for some
_LEAST_BINS = 8
_CELLS = 1 << 20  # columns x bins of a histogram: some 20 bytes each in up to 31 leaves at once
_VALUES = 1 << 25  # rows x (columns + classes): some 20 bytes each
_FOR_ONE = 1 << 22  # values of rows
_VALIDATED = 0.1  # the part of many rows that scikit-learn stops early by, of each class some


class Boosting:
    """Learns one target; see `pipeline.analysis.references.learning.Learner`.

    Args:
        source: Whose rows.
        task: Whose targets.
        rows: [N, F].
        targets: [N].
        seed: Of all draws.
    """

    def __init__(
        self, source: PreparedSource, task: PreparedTask, rows: np.ndarray, targets: np.ndarray, seed: int
    ) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        self._task, self._rows, self._targets, self._done = task, rows, targets, 0
        bins = bins_of(source)
        self.coarser = f"{bins} of {_MOST_BINS} bins a column" if bins < _MOST_BINS else ""
        settings: dict[str, Any] = {
            "categorical_features": _codes(source, bins),
            "max_bins": bins,
            "random_state": seed,
            "warm_start": True,
        }
        if task.definition.is_number:
            self._model: Any = HistGradientBoostingRegressor(**settings)
        else:
            early = "auto" if _stratifies(targets) else False
            self._model = HistGradientBoostingClassifier(**settings, early_stopping=early)

    def learn(self, rounds: int) -> bool:
        """So many trees more, of several classes one each; over where it stops early."""
        self._done += rounds
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The number of unique classes")  # few rows are tried first
            with _threads(self._rows):
                self._model.set_params(max_iter=self._done).fit(self._rows, self._targets)
        return bool(self._model.n_iter_ < self._done)

    def answer(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities [N, C] or numbers [N]."""
        with _threads(rows):
            if self._task.definition.is_number:
                return np.asarray(self._model.predict(rows))
            return spread(self._task, self._model.classes_, self._model.predict_proba(rows))


def _threads(rows: np.ndarray) -> AbstractContextManager:
    """One thread for few rows: several gain nothing there, and on a busy machine wait for one another all the time."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if rows.size < _FOR_ONE else None, "openmp")


def most_rows(source: PreparedSource, classes: int) -> int:
    """Rows that it learns from within bounded memory, for so many classes."""
    return max(1, _VALUES // (source.features + classes))


def bins_of(source: PreparedSource) -> int:
    """Bins of a column's histogram."""
    return int(np.clip(_CELLS // max(source.features, 1), _LEAST_BINS, _MOST_BINS))


def _codes(source: PreparedSource, bins: int) -> list[int]:
    """Columns of categories; where there are more than bins, the codes count as numbers."""
    first = source.features - len(source.categories)
    return [first + place for place, size in enumerate(source.categories) if size <= bins]


def _stratifies(targets: np.ndarray) -> bool:
    """Whether a part of the rows can hold some of each class, so that it may stop early."""
    _, counts = np.unique(targets, return_counts=True)
    return bool(counts.min() > 1 and len(counts) <= _VALIDATED * len(targets))
