"""References: what a good method without a network makes of the same rows, so that one sees what the network is worth.

Tables: gradient boosting (Friedman 2001, Annals of Statistics 29) as scikit-learn has it, on histograms (as LightGBM,
Ke et al. 2017), at its defaults. Texts: TF-IDF of words and of pairs of neighbours (Salton & Buckley 1988), and on it
logistic regression, or ridge regression for numbers. Each learns from the training rows alone, each task by itself;
tags have none.

Shapes: N rows, F values a row, C classes, L labels at once.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.analysis.metrics import Scores
from pipeline.analysis.scores import scorer_of
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, Split, known
from pipeline.draws import seed_of
from pipeline.stacked import Targets

_MOST_ROWS = 100_000  # learnt from, drawn at random where there are more
_MOST_CATEGORIES = 255  # that scikit-learn takes for one; of more, the codes count as numbers
_SURE = 1e-12
_FIRST_WORD = 2  # the number of the first known word of a text: padding and unknown words come before it
_PAIRS = 1 << 18  # pairs of words are told apart by so many hashes

Method = Callable[[PreparedSource, PreparedTask, np.ndarray, np.ndarray, int], Callable[[np.ndarray], np.ndarray]]
"""(source, task, rows [N, F], a target a row [N], seed) -> what answers rows: probabilities [N, C], or numbers [N]."""


def references(
    prepared: Prepared,
    train: Split,
    test: Split,
    seed: int,
    report: Callable[[str], None] = lambda line: None,
    own: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, Scores]:
    """Scores on test of every task that a reference can answer, by the name of the method; a single seed of each.

    Args:
        prepared: What is known of sources and tasks.
        train: What they learn from.
        test: The opened test split.
        seed: Of all draws.
        report: Takes a line about what is being done.
        own: Metrics of the user's own by task.
    """
    found: dict[str, Scores] = {}
    for name, task in prepared.tasks.items():
        source = prepared.sources[task.source]
        method = _METHODS.get((source.encoding or {}).get("kind", ""))
        if method is None or task.kind == "tagging":
            continue
        title, learn = method
        report(f"scoring {title} on {name}")
        rows, targets = _drawn(train, task.source, name, seed)
        answer = _learnt(learn, source, task, rows, targets, seed)
        logits = answer(np.asarray(test.inputs[task.source]))
        labels = np.asarray(test.labels[name])
        scorer = scorer_of(task, own=own.get(name, ()))
        scorer.take(logits, Targets.of(torch.from_numpy(labels).unsqueeze(0)))
        found.setdefault(title, {})[name] = scorer.scores(labels)
    return found


def _drawn(train: Split, source: str, task: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows to learn from, in their order, and their targets."""
    count = len(train.labels[task])
    if count <= _MOST_ROWS:
        return np.asarray(train.inputs[source]), np.asarray(train.labels[task])
    chosen = np.sort(np.random.default_rng(seed_of(seed, "reference", source)).integers(count, size=_MOST_ROWS))
    return train.inputs[source][chosen], train.labels[task][chosen]


def _learnt(
    learn: Method, source: PreparedSource, task: PreparedTask, rows: np.ndarray, targets: np.ndarray, seed: int
) -> Callable[[np.ndarray], Tensor]:
    """What answers rows [N, F] with logits [1, N, C], or [1, N, 1] of a number: a model, or one for each label."""
    several = targets if targets.ndim == 2 else targets[:, None]
    models = []
    for one in several.T:
        there = known(one)
        models.append(learn(source, task, rows[there], one[there], seed))

    def answer(asked: np.ndarray) -> Tensor:
        if task.kind == "regression":
            return torch.from_numpy(models[0](asked)).float().view(1, -1, 1)
        chances = [torch.from_numpy(model(asked)).double().clamp_min(_SURE).log() for model in models]
        if task.kind == "multilabel":
            return torch.stack([it[:, 1] - it[:, 0] for it in chances], 1).float().unsqueeze(0)
        if task.kind == "binary":
            return (chances[0][:, 1:] - chances[0][:, :1]).float().unsqueeze(0)
        return chances[0].float().unsqueeze(0)

    return answer


def _boosted(
    source: PreparedSource, task: PreparedTask, rows: np.ndarray, targets: np.ndarray, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """See `Method`."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    first = source.features - len(source.categories)
    codes = [first + place for place, size in enumerate(source.categories) if size <= _MOST_CATEGORIES]
    settings: Mapping[str, Any] = {"categorical_features": codes, "random_state": seed}
    if task.kind == "regression":
        model = HistGradientBoostingRegressor(**settings).fit(rows, targets)
        return lambda asked: np.asarray(model.predict(asked))
    return _chances(task, HistGradientBoostingClassifier(**settings), rows, targets)


def _tfidf(
    source: PreparedSource, task: PreparedTask, rows: np.ndarray, targets: np.ndarray, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """See `Method`."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression, Ridge

    weigh = TfidfTransformer(sublinear_tf=True).fit(counts := _counted(source, rows))
    if task.kind == "regression":
        ridge = Ridge(random_state=seed).fit(weigh.transform(counts), targets)
        return lambda asked: np.asarray(ridge.predict(weigh.transform(_counted(source, asked))))
    model = LogisticRegression(max_iter=1000, random_state=seed)
    answer = _chances(task, model, weigh.transform(counts), targets)
    return lambda asked: answer(weigh.transform(_counted(source, asked)))


def _counted(source: PreparedSource, rows: np.ndarray) -> Any:
    """How often each known word, and each pair of neighbours, is in each text: sparse [N, words + `_PAIRS`]."""
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


def _chances(task: PreparedTask, model: Any, rows: Any, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A fitted classifier's probabilities [N, C] of all classes, also of those that it never saw."""
    present = np.unique(targets).astype(int)
    count = len(task.classes) if task.kind == "multiclass" else 2
    if len(present) > 1:
        model.fit(rows, targets)

    def answer(asked: np.ndarray) -> np.ndarray:
        chances = np.zeros((asked.shape[0], count))
        chances[:, present] = model.predict_proba(asked) if len(present) > 1 else 1.0
        return chances

    return answer


_METHODS: Mapping[str, tuple[str, Method]] = {
    "table": ("gradient boosting", _boosted),
    "text": ("TF-IDF and a linear model", _tfidf),
}
"""By kind of encoding: what the method is called, and how it learns."""
