"""References answer every kind of task, with gaps and classes that they never saw."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.analysis.reference import references
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, Split
from tests.training.made import MIXED, random_data

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
    (title, found), *others = references(PREPARED, split(0, 400), split(400, 600), 0, lines.append).items()
    assert (title, others) == ("gradient boosting", [])
    assert lines == [f"scoring gradient boosting on {name}" for name in KINDS]
    level = {name: float(it.metrics[it.primary][0]) for name, it in found.items()}
    assert level["size"] > 0.9
    assert level["sign"] > 0.9
    assert level["code"] == 1.0
    assert level["marks"] > 0.95
    assert found["code"].metrics["nll"][0] < 0.1
    assert all(it.seeds == 1 and it.labelled.sum() == 200 for it in found.values())


def test_it_is_the_same_every_time() -> None:
    one, two = (references(PREPARED, split(0, 400), split(400, 600), 3)["gradient boosting"] for _ in range(2))
    for name in KINDS:
        np.testing.assert_array_equal(one[name].columns, two[name].columns)


def test_images_have_no_reference(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, MIXED)
    rows = prepared.split("train")
    assert references(prepared, rows, rows, 0) == {}


@pytest.mark.parametrize("most", [100, 400])
def test_of_many_rows_some_are_drawn(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.analysis import reference

    monkeypatch.setattr(reference, "_MOST_ROWS", most)
    found = references(PREPARED, split(0, 400), split(400, 600), 0)["gradient boosting"]["sign"]
    assert 1.0 >= found.metrics["accuracy"][0] > (0.8 if most == 100 else 0.9)


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
        Path(), {"it": source}, {name: PreparedTask(kind, "it", ("a", "b")) for name, kind in kinds.items()}
    )
    order = DRAWS.permutation(600)
    rows = words.reshape(600, -1)[order]
    train, test = (
        Split({"it": rows[part]}, {name: its[order][part] for name, its in targets.items()})
        for part in (slice(0, 400), slice(400, 600))
    )
    (found,) = references(prepared, train, test, 0).values()
    assert list(found) == ["has", "pair", "count"]
    assert found["has"].metrics["roc_auc"][0] > 0.9
    assert found["pair"].metrics["roc_auc"][0] > 0.9  # 7 and 9 are in both kinds of rows, in another order
    assert found["count"].metrics["r2"][0] > 0.3
