"""A reference keeps to its time, told by a clock that counts work, and to its memory, told by what is fitted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from pipeline.analysis.references import References, references, texts as rooms
from pipeline.analysis.references.boosting import bins_of, most_rows
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, Split

DRAWS = np.random.default_rng(0)
SECONDS = 5.0


class Work:
    """A clock that counts what fits would take, and what was fitted.

    Args:
        each: Seconds of a row in a round, of a tree or a class.
        start: Seconds of every fit.
    """

    def __init__(self, each: float, monkeypatch: pytest.MonkeyPatch, start: float = 0.0) -> None:
        self.now, self._each, self._start = 0.0, each, start
        self.fitted: list[tuple[Any, tuple[int, ...]]] = []
        for model in (HistGradientBoostingClassifier, HistGradientBoostingRegressor, LogisticRegression, Ridge):
            monkeypatch.setattr(model, "fit", self._counted(model.fit))

    def __call__(self) -> float:
        return self.now

    def _counted(self, fit: Callable[..., Any]) -> Callable[..., Any]:
        def counted(model: Any, rows: Any, targets: Any) -> Any:
            boosted = hasattr(model, "max_leaf_nodes")
            before = getattr(model, "n_iter_", 0) if boosted else 0
            fit(model, rows, targets)
            rounds = model.n_iter_ - before if boosted else np.max(getattr(model, "n_iter_", 1) or 1)
            trees = getattr(model, "n_trees_per_iteration_", len(np.unique(targets)))
            self.now += self._start + self._each * rows.shape[0] * max(1, rounds) * trees
            self.fitted.append((model, rows.shape))
            return model

        return counted


def table(rows: int, columns: int = 3, classes: int = 2) -> tuple[Prepared, Split, Split]:
    """A table of one task of two or more classes, or of a number where there is one."""
    x = DRAWS.normal(size=(rows + 50, columns)).astype(np.float32)
    kind = {1: "regression", 2: "binary"}.get(classes, "multiclass")
    y = x[:, 0] if classes == 1 else np.digitize(x[:, 0], np.linspace(-2, 2, classes + 1)[1:-1])
    y = y.astype(np.float32) if classes == 1 else y.astype(np.int64)
    source = PreparedSource((columns,), 1.0, {}, {"kind": "table", "categories": []})
    task = PreparedTask(kind, "it", tuple(map(str, range(classes))) if classes > 1 else ())
    train, test = (Split({"it": x[part]}, {"y": y[part]}) for part in (slice(rows), slice(rows, None)))
    return Prepared(Path(), {"it": source}, {"y": task}), train, test


def texts(rows: int, classes: int, length: int = 20) -> tuple[Prepared, Split, Split]:
    """Texts of one task."""
    words = DRAWS.integers(2, 500, (rows + 50, length)).astype(np.int32)
    y = DRAWS.integers(classes, size=rows + 50)
    words[:, 0] = 2 + y % 500
    about = {"kind": "text", "by": "words", "ids": 502, "columns": 1, "length": length, "words": ["w"] * 500}
    source = PreparedSource((length, 1), 1.0, {}, about)
    task = PreparedTask("multiclass", "it", tuple(map(str, range(classes))))
    train, test = (Split({"it": words[part]}, {"y": y[part]}) for part in (slice(rows), slice(rows, None)))
    return Prepared(Path(), {"it": source}, {"y": task}), train, test


def found(data: tuple[Prepared, Split, Split], clock: Work, seconds: float = SECONDS) -> References:
    return references(*data, seed=0, seconds=seconds, clock=clock)


def last(work: Work) -> tuple[int, int]:
    """Rows and rounds of what answered."""
    model, shape = work.fitted[-1]
    return shape[0], int(np.max(model.n_iter_))


def test_with_time_enough_all_rows_and_rounds_are_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(1e-6, monkeypatch)
    assert found(table(2000), work).notes == {}
    assert last(work) == (2000, 100)


@pytest.mark.parametrize("classes", [1, 2, 8])
@pytest.mark.parametrize("each", [2e-5, 1e-4, 1e-3])
def test_boosting_keeps_to_its_time_and_says_what_was_cut(
    classes: int, each: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All rows and rounds of the last would take 4, 20 and 200 s, times eight with as many classes.
    work = Work(each, monkeypatch)
    notes = found(table(2000, classes=classes), work).notes
    rows, rounds = last(work)
    assert work.now <= SECONDS
    if rows < 2000 or rounds < 100:
        assert work.now >= SECONDS / 4  # what there is is used
        cut = [f"{rounds} of at most 100 rounds"] if rounds < 100 else []
        cut += [f"{rows:,} of 2,000 rows"] if rows < 2000 else []
        said = f"gradient boosting on y: {', '.join(cut)}, so that it takes at most a third of the job's time"
        assert notes == {"y": said}
    else:
        assert notes == {}


def test_no_time_at_all_leaves_one_round_of_a_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(1.0, monkeypatch)
    notes = found(table(2000), work, seconds=1e-3).notes
    assert last(work) == (100, 1)
    assert notes["y"].startswith("gradient boosting on y: 1 of at most 100 rounds, 100 of 2,000 rows")


@pytest.mark.parametrize("each", [2e-7, 1e-5, 1e-4])
def test_texts_keep_to_their_time(each: float, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(each, monkeypatch)
    notes = found(texts(3000, classes=20), work).notes
    assert work.now <= SECONDS
    assert bool(notes) == (last(work)[0] < 3000)


def test_tasks_of_few_classes_leave_their_time_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    data, train, test = table(2000, classes=8)
    data.tasks["z"] = PreparedTask("binary", "it", ("no", "yes"))
    for split in (train, test):
        split.labels["z"] = (split.inputs["it"][:, 0] > 0).astype(np.int64)
    work = Work(2e-6, monkeypatch)  # 3.4 s of y with its tries, 0.5 s of z
    assert found((data, train, test), work).notes == {}


def test_learning_in_several_starts_ends_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(2000, classes=3)
    plain = HistGradientBoostingClassifier(categorical_features=[], random_state=0)
    with threadpool_limits(1, "openmp"):
        plain.fit(data[1].inputs["it"], data[1].labels["y"])
    work = Work(2e-6, monkeypatch, start=0.1)  # so that the first rounds promise more seconds than all then take
    assert found(data, work).notes == {}
    whole = [model for model, (rows, _) in work.fitted if rows == 2000]
    assert len(whole) > 2
    asked = data[2].inputs["it"]
    np.testing.assert_array_equal(whole[-1].predict_proba(asked), plain.predict_proba(asked))


@pytest.mark.parametrize(("columns", "bins", "rows"), [(10, 255, 2_796_202), (1000, 255, 33_487), (50_000, 20, 671)])
def test_rows_and_bins_of_a_wide_table_are_bounded(columns: int, bins: int, rows: int) -> None:
    source = PreparedSource((columns,), 1.0, {}, {"kind": "table", "categories": []})
    assert (bins_of(source), most_rows(source, 2)) == (bins, rows)


def test_coefficients_of_many_classes_are_those_of_the_words_in_most_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_COEFFICIENTS", 20_000)
    work = Work(0.0, monkeypatch)
    data = texts(400, classes=50)
    notes = found(data, work).notes
    model, (rows, words) = work.fitted[-1]
    assert (rows, words) == (400, 400)
    assert model.coef_.shape == (50, words)
    assert model.coef_.dtype == np.float32
    in_texts = np.bincount(rooms.counted(data[0].sources["it"], data[1].inputs["it"]).indices)
    there = int((in_texts > 0).sum())
    why = "so that it takes little memory"
    assert notes == {"y": f"TF-IDF and a linear model on y: 400 of {there:,} words and pairs, {why}"}
    kept, _ = rooms._most_frequent(rooms.counted(data[0].sources["it"], data[1].inputs["it"]), 50)
    assert in_texts[kept].min() >= np.delete(in_texts, kept).max()


def test_words_that_training_never_saw_have_no_coefficient(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(0.0, monkeypatch)
    data = texts(60, classes=3)
    found(data, work)
    there = len(np.unique(data[1].inputs["it"]))
    assert work.fitted[-1][1][1] <= there + 60 * 19  # words, and a pair less than tokens in each text
    assert work.fitted[-1][0].coef_.shape == (3, work.fitted[-1][1][1])


def test_rows_of_long_texts_and_of_many_classes_are_bounded() -> None:
    about = {"kind": "text", "by": "words", "columns": 3, "words": []}
    long = PreparedSource((2**12, 3), 1.0, {}, about)
    assert rooms.most_rows(long, 2) == 2**11
    assert rooms.most_rows(PreparedSource((8, 3), 1.0, {}, about), 1024) == 2**14


def test_counts_are_the_same_however_few_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data, train, _ = texts(50, classes=2)
    whole = rooms.counted(data.sources["it"], train.inputs["it"])
    monkeypatch.setattr(rooms, "_PART", 7 * 20)
    parts = rooms.counted(data.sources["it"], train.inputs["it"])
    assert (whole != parts).nnz == 0
    assert whole.sum() == 50 * 20 + 50 * 19
