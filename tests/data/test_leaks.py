"""Rows that are in two splits, and classes that train lacks."""

import numpy as np
import pytest

from pipeline.data.leaks import hashed, repeated, suspicions


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("features", [1, 7, 784])
def test_rows_of_train_are_found_again_wherever_they_are(dtype: type, features: int) -> None:
    draws = np.random.default_rng(0)
    train = draws.integers(0, 256, (300, features)).astype(dtype)
    fresh = draws.integers(0, 256, (100, features)).astype(dtype)
    held = np.concatenate([fresh, train[5:17]])
    wanted = sum(any((row == other).all() for other in train) for row in held)
    assert wanted >= 12
    assert repeated({"train": hashed(train), "validation": hashed(held)}) == {"validation": wanted}


def test_a_row_turned_round_or_moved_by_one_is_another_row() -> None:
    train = np.arange(1, 65, dtype=np.uint8).reshape(1, 64)
    others = np.concatenate([train[:, ::-1], np.roll(train, 1), train * 0, np.where(train == 5, 6, train)])
    assert repeated({"train": hashed(train), "test": hashed(others)}) == {"test": 0}


def test_lines_name_source_split_task_and_class() -> None:
    source = {"rows": {"train": 90, "validation": 10, "test": 30}, "repeated": {"validation": 0, "test": 4}}
    counts = {"train": [50, 0], "validation": [5, 0], "test": [20, 2]}
    manifest = {
        "sources": {"scans": source},
        "tasks": {
            "ill": {"classes": ["no", "yes"], "counts": counts, "unseen": {"maybe": 3, "never": 1200}},
            "size": {"classes": [], "counts": {}},
        },
    }
    assert suspicions(manifest) == [
        "scans: 4 of 30 rows of test have the very inputs of a row of train",
        "task 'ill': test alone has 'maybe' (3), 'never' (1,200): no network answers these, and they count as wrong",
        "task 'ill': no row of train is 'yes', which other splits have",
    ]
