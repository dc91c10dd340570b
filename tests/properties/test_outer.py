"""A row's label, whatever becomes of it, is not known to the replicates that test the row."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings, strategies as st

from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.sources.base import Place
from tests.data.files import quiet

ROWS = 80
DRAWS = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "x": DRAWS.normal(size=ROWS).round(3),
        "town": DRAWS.choice(["Bern", "Oslo", "Rome"], ROWS),
        "kind": DRAWS.choice(["9", "10.0", "11"], ROWS),
        "sold": DRAWS.choice(["no", "yes"], ROWS),
        "price": DRAWS.gamma(2.0, size=ROWS).round(2).astype(str),
        "red": DRAWS.choice(["0", "1"], ROWS),
        "round": DRAWS.choice(["0", "1"], ROWS),
        "moods": DRAWS.choice(["joy", "joy|love", "anger", "none"], ROWS),
        "post": [f"{word} number {row}" for row, word in enumerate(DRAWS.choice(["fine", "bad"], ROWS))],
        "group": np.arange(ROWS) // 4,
        "day": DRAWS.permutation(ROWS),
    }
)
TASKS: dict[str, Any] = {
    "kind": {"kind": "multiclass"},
    "sold": {"kind": "binary"},
    "price": {"kind": "regression"},
    "marks": {"kind": "multilabel"},
}
VALUES = {
    "kind": ["9", "10.0", "8", "new", ""],
    "sold": ["no", "yes", ""],
    "price": ["-1000", "0.5", "1e6", ""],
    "red": ["0", "1", ""],
    "moods": ["anger", "joy", "aaa|joy", "zzz", ""],
}
LABELS = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()})
FORMS: dict[str, dict[str, Any]] = {
    "table": {"kind": "table", "inputs": {"x": "numeric", "town": "categorical"}, "labels": {}},
    "text": {"kind": "text", "text": "post", "labels": {"moods": {"column": "moods", "none": "none"}}},
}
TAGS = ["B-LOC", "B-PER", "O"]
BY: dict[str, dict[str, str]] = {"row": {}, "group": {"group": "group"}, "time": {"time": "day"}}
Assignment = dict[str, np.ndarray]


def rows(folder: Path, form: str, by: str, changed: dict[str, str], row: int) -> Experiment:
    frame = TABLE.copy()
    for column, value in changed.items():
        frame.loc[row, column] = value
    frame.to_csv(folder / "own.csv", index=False)
    own = FORMS[form] | {"path": "own.csv"} | BY[by]
    own |= {"labels": own["labels"] | {"marks": ["red", "round"]}}
    return experiment(own, TASKS | ({"moods": {"kind": "multilabel"}} if form == "text" else {}))


def sentences(folder: Path, changed: dict[int, str]) -> Experiment:
    tags = {row: [*TAGS, TAGS[row % 3]] for row in range(40)} | {row: [tag] * 4 for row, tag in changed.items()}
    lines = ["".join(f"w{row + place}\t{it}\n" for place, it in enumerate(own)) for row, own in tags.items()]
    (folder / "own.conll").write_text("\n".join(lines))
    return experiment({"kind": "tokens", "path": "own.conll"}, {"tags": {"kind": "tagging"}})


def experiment(own: dict[str, Any], tasks: dict[str, Any]) -> Experiment:
    declared = {name: {"source": "own"} | it for name, it in tasks.items()}
    test = {"folds": 4, "repeats": 2}
    data = {"test": test, "validation": 0.3}
    return Experiment.model_validate({"name": "toy", "sources": {"own": own}, "tasks": declared, "data": data})


def prepared(own: Experiment, folder: Path, assignment: Assignment | None = None) -> Path:
    out = Path(folder, "out" if assignment is None else "again")
    out.mkdir()
    prepare(own, Place("sample", folder, None, folder, folder), out, quiet, assignment)
    return out


def known_to(replicate: Path) -> dict[str, Any]:
    """All that anything before the test knows of a replicate."""
    manifest = json.loads((replicate / "manifest.json").read_text())
    for task in manifest["tasks"].values():
        task.pop("unseen", None)
        task["counts"].pop("test", None)
        task["labelled"].pop("test")
    for name in [name for name in manifest["files"] if ".test.labels" in name]:
        manifest["files"].pop(name)
    arrays = {path.name: path.read_bytes() for path in replicate.glob("*.npy") if ".test.labels" not in path.name}
    return {"manifest": manifest, **arrays}


def assert_unknown(one: Path, other: Path, row: int, timed: bool = False, changed: bool = True) -> None:
    """The replicates that test the row know nothing of its label, and those that learn from it do."""
    of = np.load(one / "own.outer.npy")
    for place in (one / "replicates").iterdir():
        repeat, fold = divmod(int(place.name), of.max() + 1)
        alike = known_to(place) == known_to(other / "replicates" / place.name)
        if of[row, repeat] == fold:
            assert alike
        elif changed and not (timed and of[row, repeat] > fold):
            assert not alike


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("by", BY)
@settings(max_examples=5)
@given(row=st.integers(0, ROWS - 1), labels=LABELS)
@example(row=3, labels={"kind": "new", "sold": "", "price": "1e6", "red": "", "moods": "aaa|joy"})
def test_no_label_of_a_tested_row_is_known_before_test_opens(
    form: str, by: str, row: int, labels: dict[str, str]
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        one = prepared(rows(folder, form, by, {}, row), folder)
        assignment = {"own": np.load(one / "own.outer.npy")}
        other = prepared(rows(folder, form, by, labels, row), folder, assignment)
        changed = any(TABLE.loc[row, column] != labels[column] for column in ("kind", "sold", "price", "red"))
        assert_unknown(one, other, row, by == "time", changed)


@settings(max_examples=5)
@example(row=3, tag="B-AAA")
@given(row=st.integers(0, 39), tag=st.sampled_from([*TAGS, "B-AAA", "B-ZZZ", "_"]))
def test_no_tag_of_a_tested_sentence_is_known_before_test_opens(row: int, tag: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        one = prepared(sentences(folder, {}), folder)
        other = prepared(sentences(folder, {row: tag}), folder, {"own": np.load(one / "own.outer.npy")})
        assert_unknown(one, other, row)
