"""TF-IDF of words and of pairs of neighbours (Salton & Buckley 1988), and a linear model on it.

Classes are told apart by logistic regression, numbers by ridge regression. Words and pairs are sparse all through, and
only those that occur in training count: all of them, or the most frequent ones where there are many classes.

Shapes: N rows, F values a row, C classes, W words or pairs.
"""

import warnings
from typing import Any

import numpy as np

from pipeline.analysis.references.chances import spread
from pipeline.analysis.references.learning import Method
from pipeline.data.prepared import PreparedSource, PreparedTask

TITLE = "TF-IDF and a linear model"
_LIBRARY = "sklearn.linear_model"
LOGISTIC = Method(TITLE, rounds=1000, library=_LIBRARY, growth=1)  # few are needed; a later one takes longer
RIDGE = Method(TITLE, rounds=1, library=_LIBRARY)

_FIRST_WORD = 2  # the number of the first known word of a text: padding and unknown words come before it
_PAIRS = 1 << 18  # pairs of words are told apart by so many hashes
_TOKENS = 1 << 23  # that are learnt from: each is a word and the first of a pair, 8 bytes each
_CHANCES = 1 << 24  # rows x classes: some 20 bytes each
_COEFFICIENTS = 1 << 23  # words and pairs x classes: some 40 bytes each
_PART = 1 << 19  # tokens that are counted at once: some 60 bytes each


class Linear:
    """Learns one target; see `pipeline.analysis.references.learning.Learner`.

    Newton's method with conjugate gradients finds what L-BFGS finds, and remembers 5 instead of 20 numbers a
    coefficient.

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
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression, Ridge

        self._source, self._task, self._targets = source, task, targets
        counts = counted(source, rows)
        self._kept, there = _most_frequent(counts, 1 if task.definition.is_number else len(np.unique(targets)))
        self.coarser = f"{len(self._kept):,} of {there:,} words and pairs" if len(self._kept) < there else ""
        counts = counts[:, self._kept]
        self._weigh = TfidfTransformer(sublinear_tf=True).fit(counts)
        self._weighed = self._weigh.transform(counts, copy=False)
        if task.definition.is_number:
            self._model: Any = Ridge(random_state=seed)
        else:
            self._model = LogisticRegression(solver="newton-cg", warm_start=True, random_state=seed)

    def learn(self, rounds: int) -> bool:
        """So many steps of Newton's method more; of numbers, the whole ridge regression."""
        from sklearn.exceptions import ConvergenceWarning

        if self._task.definition.is_number:
            self._model.fit(self._weighed, self._targets)
            return True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it goes on where it was
            warnings.filterwarnings("ignore", "The number of unique classes")  # few rows are tried first
            self._model.set_params(max_iter=rounds).fit(self._weighed, self._targets)
        return bool(self._model.n_iter_.max() < rounds)

    def answer(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities [N, C] or numbers [N]."""
        weighed = self._weigh.transform(counted(self._source, rows)[:, self._kept], copy=False)
        if self._task.definition.is_number:
            return np.asarray(self._model.predict(weighed))
        return spread(self._task, self._model.classes_, self._model.predict_proba(weighed))


def most_rows(source: PreparedSource, classes: int) -> int:
    """Rows that it learns from within bounded memory, for so many classes."""
    return max(1, min(_TOKENS // _tokens(source), _CHANCES // classes))


def counted(source: PreparedSource, rows: np.ndarray) -> Any:
    """How often each known word, and each pair of neighbours, is in each text: sparse [N, words + `_PAIRS`]."""
    from scipy.sparse import vstack

    step = max(1, _PART // _tokens(source))
    parts = [_counted(source, np.asarray(rows[start : start + step])) for start in range(0, len(rows), step)]
    return parts[0] if len(parts) == 1 else vstack(parts, format="csr")


def _counted(source: PreparedSource, rows: np.ndarray) -> Any:
    from scipy.sparse import csr_array

    about = source.encoding or {}
    words, size = rows.astype(np.int64), source.ids
    if about["by"] == "words":
        words, size = words[:, :: about["columns"]], len(about["words"]) + _FIRST_WORD
    else:  # subwords are the words, side by side
        words = np.take_along_axis(words, np.argsort(words == 0, axis=1, kind="stable"), 1)
    pairs = size + (words[:, :-1] * 1_000_003 + words[:, 1:]) % _PAIRS
    pairs[(words[:, :-1] < _FIRST_WORD) | (words[:, 1:] < _FIRST_WORD)] = 0
    every = np.concatenate([np.where(words >= _FIRST_WORD, words, 0), pairs], 1)
    texts, places = np.nonzero(every)
    values = np.ones(len(texts), np.float32)
    return csr_array((values, (texts, every[texts, places])), shape=(len(rows), size + _PAIRS))


def _most_frequent(counts: Any, classes: int) -> tuple[np.ndarray, int]:
    """Places, in their order, of the words and pairs that are in most texts, and how many are in any.

    Of two classes one row of coefficients tells.
    """
    texts = np.bincount(counts.indices, minlength=counts.shape[1])
    there = int((texts > 0).sum())
    most = _COEFFICIENTS // (classes if classes > 2 else 1)
    return np.sort(np.argsort(-texts, kind="stable")[: min(most, there)]), there


def _tokens(source: PreparedSource) -> int:
    """Of a row."""
    about = source.encoding or {}
    return max(1, source.features // (about["columns"] if about["by"] == "words" else 1))
