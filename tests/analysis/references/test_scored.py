"""References answer every kind of task, with gaps and classes that they never saw."""

from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pipeline.analysis.references import CONSTANT, references, taught
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, Split
from tests.analysis.made import square
from tests.training.made import MIXED, random_data
from tests.training.made_text import TASKS, text_data

LONG = 1e6
"""Seconds that are never over."""

DRAWS = np.random.default_rng(0)
ROWS = DRAWS.normal(size=(600, 4)).astype(np.float32)
ROWS[:, 3] = DRAWS.integers(0, 5, 600)
SOURCE = PreparedSource((4,), 1.0, {"train": 400, "test": 200}, {"kind": "table", "categories": [5]})
TARGETS = {
    "size": (2 * ROWS[:, 0] + (ROWS[:, 3] == 2) * 3).astype(np.float32),
    "sign": (ROWS[:, 1] > 0).astype(np.int64),
    "code": ROWS[:, 3].astype(np.int64),
    "marks": np.stack([ROWS[:, 0] > 0.5, ROWS[:, 3] > 3, np.zeros(600)], 1).astype(np.float32),
}
SIZES = TARGETS["size"].copy()
KINDS = {"size": "regression", "sign": "binary", "code": "multiclass", "marks": "multilabel"}
CLASSES = {"size": (), "sign": ("no", "yes"), "code": tuple("abcdef"), "marks": ("a", "b", "never")}
PREPARED = Prepared(
    Path(), {"it": SOURCE}, {name: PreparedTask(kind, "it", CLASSES[name]) for name, kind in KINDS.items()}
)


def split(start: int, stop: int) -> Split:
    return Split({"it": ROWS[start:stop]}, {name: values[start:stop] for name, values in TARGETS.items()})


def test_every_kind_is_learnt_and_scored_as_scikit_learn_scores_it() -> None:
    TARGETS["sign"][:50] = -1
    TARGETS["size"][:50] = np.nan
    TARGETS["marks"][:50, 0] = np.nan
    lines: list[str] = []
    scores, _, notes = references(PREPARED, split(0, 400), split(400, 600), 0, LONG, lines.append)
    assert (list(scores), notes) == ([CONSTANT, "gradient boosting"], {})
    assert lines == [f"scoring gradient boosting on {name}" for name in ("size", "sign", "marks", "code")]
    found = scores["gradient boosting"]
    assert list(found) == list(scores[CONSTANT]) == list(KINDS)
    level = {name: float(it.metrics[it.primary][0]) for name, it in found.items()}
    assert level["size"] > 0.9
    assert level["sign"] > 0.9
    assert level["code"] == 1.0
    assert level["marks"] > 0.95
    assert found["code"].metrics["nll"][0] < 0.1
    assert all(it.seeds == 1 and it.labelled.sum() == 200 for it in found.values())


def test_it_is_the_same_every_time() -> None:
    one, two = (
        references(PREPARED, split(0, 400), split(400, 600), 3, LONG).scores["gradient boosting"] for _ in range(2)
    )
    for name in KINDS:
        np.testing.assert_array_equal(one[name].columns, two[name].columns)


def test_with_enough_time_it_is_scikit_learns_boosting_at_its_defaults() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    plain = HistGradientBoostingRegressor(categorical_features=[3], random_state=0)
    with threadpool_limits(1, "openmp"):
        answers = plain.fit(ROWS[:400], SIZES[:400]).predict(ROWS[400:]).astype(np.float32)
    data = Prepared(Path(), {"it": SOURCE}, {"size": PREPARED.tasks["size"]})
    train, test = (Split({"it": ROWS[part]}, {"size": SIZES[part]}) for part in (slice(0, 400), slice(400, 600)))
    found = references(data, train, test, 0, LONG).scores["gradient boosting"]["size"]
    error = np.square(answers.astype(np.float64) - SIZES[400:].astype(np.float64)).mean()
    assert found.metrics["rmse"][0] == pytest.approx(np.sqrt(error), rel=1e-9)


def test_images_and_tags_have_the_constant_prediction_alone(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    for prepared in (random_data(tmp_path, MIXED), text_data(tmp_path / "texts", {"who": TASKS["who"]})):
        rows = prepared.split("train")
        scores, constants, notes = references(prepared, rows, rows, 0, LONG)
        assert (list(scores), list(constants), notes) == ([CONSTANT], list(prepared.tasks), {})
        assert list(scores[CONSTANT]) == list(prepared.tasks)


def test_without_seconds_only_the_constant_prediction_is_scored() -> None:
    scores, constants, _ = references(PREPARED, split(0, 400), split(400, 600), 0, None)
    assert list(scores) == [CONSTANT]
    assert list(constants) == list(KINDS)


def test_a_task_without_a_target_in_training_has_none() -> None:
    missing = {name: np.full_like(its, np.nan if its.dtype == np.float32 else -1) for name, its in TARGETS.items()}
    for name in KINDS:
        train = Split({"it": ROWS[:400]}, {task: its[:400] for task, its in (TARGETS | {name: missing[name]}).items()})
        scores, constants, _ = references(PREPARED, train, split(400, 600), 0, LONG)
        assert all(list(its) == [other for other in KINDS if other != name] for its in scores.values())
        assert name not in constants


def test_a_label_without_a_target_in_training_is_answered_by_chance() -> None:
    train = split(0, 400)
    train.labels["marks"] = np.where([True, False, True], train.labels["marks"], np.float32(np.nan))
    found = references(PREPARED, train, split(400, 600), 0, LONG).scores["gradient boosting"]["marks"]
    assert found.metrics["roc_auc.a"][0] > 0.95
    assert found.metrics["roc_auc.b"][0] == 0.5


def test_one_class_alone_in_training_is_what_is_answered() -> None:
    train = split(0, 400)
    train.labels["sign"] = np.ones(400, np.int64)
    train.labels["code"] = np.full(400, 2)
    train.labels["marks"] = np.zeros((400, 3), np.float32)
    scores, constants, _ = references(PREPARED, train, split(400, 600), 0, LONG)
    assert (constants["sign"], constants["code"]) == ("yes", "c")
    for its in scores.values():
        for name, wanted in (("sign", 1), ("code", 2)):
            share = (TARGETS[name][400:] == wanted).mean()
            assert its[name].metrics["accuracy"][0] == pytest.approx(share)
        assert its["marks"].metrics["roc_auc"][0] == 0.5


def test_a_class_missing_in_training_is_never_answered() -> None:
    train = split(0, 400)
    train.labels["code"] = np.where(train.labels["code"] == 3, -1, train.labels["code"])
    found = references(PREPARED, train, split(400, 600), 0, LONG).scores["gradient boosting"]["code"]
    confusion = square(found.confusions, 5)
    assert confusion[:, 3].sum() == 0
    assert confusion[3].sum() > 0


def test_of_many_rows_some_are_drawn_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taught, "_MOST_ROWS", 100)
    scores, _, notes = references(PREPARED, split(0, 400), split(400, 600), 0, LONG)
    assert 1.0 > scores["gradient boosting"]["sign"].metrics["accuracy"][0] > 0.8
    assert notes["code"] == "gradient boosting on code: 100 of 400 rows, so that it takes little memory"


@pytest.mark.parametrize("by", ["words", "subwords"])
def test_texts_are_learnt_from_words_and_pairs_of_them(by: str) -> None:
    # Twelve places a row, three numbers a token; the first is the word, padding 0, unknown 1.
    words = np.zeros((600, 12, 3), np.int32)
    words[:, :8, 0] = DRAWS.integers(1, 40, (600, 8))
    if by == "words":
        words[:, :, 1:] = DRAWS.integers(0, 9, (600, 12, 2))  # hashes, which are not looked at
    about = {"kind": "text", "by": by, "ids": 40, "columns": 3, "length": 12, "words": [str(it) for it in range(38)]}
    source = PreparedSource((12, 3), 1.0, {"train": 400, "test": 200}, about)
    words[:300:2, 2:4, 0] = (7, 9)
    words[301::2, 2:4, 0] = (9, 7)
    neighbours = ((words[:, :-1, 0] == 7) & (words[:, 1:, 0] == 9)).any(1)
    targets = {
        "has": (words[:, :, 0] == 5).any(1).astype(np.int64),
        "pair": neighbours.astype(np.int64),
        "count": (words[:, :, 0] == 6).sum(1).astype(np.float32),
        "tags": np.zeros((600, 12), np.int64),
    }
    kinds = {"has": "binary", "pair": "binary", "count": "regression", "tags": "tagging"}
    prepared = Prepared(
        Path(),
        {"it": source},
        {name: PreparedTask(kind, "it", ("O", "B-a"), length=12 * (name == "tags")) for name, kind in kinds.items()},
    )
    order = DRAWS.permutation(600)
    rows = words.reshape(600, -1)[order]
    train, test = (
        Split({"it": rows[part]}, {name: its[order][part] for name, its in targets.items()})
        for part in (slice(0, 400), slice(400, 600))
    )
    scores, _, notes = references(prepared, train, test, 0, LONG)
    assert (list(scores), notes) == ([CONSTANT, "TF-IDF and a linear model"], {})
    found = scores["TF-IDF and a linear model"]
    assert list(found) == ["has", "pair", "count"]
    assert found["has"].metrics["roc_auc"][0] > 0.9
    assert found["pair"].metrics["roc_auc"][0] > 0.9  # 7 and 9 are in both kinds of rows, in another order
    assert found["count"].metrics["r2"][0] > 0.3
