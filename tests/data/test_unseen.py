"""What test alone has changes nothing that is prepared for training, and is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.config import Experiment
from pipeline.data.leaks import suspicions
from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared, open_split
from pipeline.data.sources import Place
from pipeline.errors import UserError

from .files import quiet

ROWS = 120
DRAWS = np.random.default_rng(0)
LEVEL = DRAWS.choice(["low", "mid", "top"], ROWS)
TABLE = pd.DataFrame(
    {
        "x": DRAWS.normal(size=ROWS),
        "town": DRAWS.choice(["Bern", "Oslo"], ROWS),
        "level": LEVEL,
        "sold": DRAWS.choice(["no", "yes"], ROWS),
        "moods": DRAWS.choice(["joy", "joy|love", "anger", ""], ROWS),
        "part": ["train"] * 90 + ["test"] * 30,
    }
)
IN_TEST = TABLE["part"] == "test"
TAGGED = {
    "train": "Bern\tB-LOC\nis\tO\n\nAda\tB-PER\nis\tO\n\n" * 6,
    "test": "Bern\tB-LOC\nor\tO\n\nAda\tB-PER\n\n" * 3,
}


def prepared(folder: Path, out: str, declared: dict[str, Any], tasks: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    tasks = {name: {"source": "own"} | it for name, it in tasks.items()}
    own = Experiment.model_validate({"name": "toy", "sources": {"own": declared}, "tasks": tasks})
    (folder / out).mkdir()
    return prepare(own, Place("sample", folder, None, folder, folder), folder / out, quiet), folder / out


def assert_alike_before_test(one: Path, other: Path) -> None:
    """All that training and choosing may see is equal to the last byte."""
    named = [{path.name for path in folder.glob("*.npy") if ".test." not in path.name} for folder in (one, other)]
    assert named[0] == named[1]
    for name in named[0]:
        assert (one / name).read_bytes() == (other / name).read_bytes()
    first, second = (json.loads((folder / "manifest.json").read_text()) for folder in (one, other))
    for manifest in (first, second):
        manifest.pop("files")
        for task in manifest["tasks"].values():
            task.pop("unseen", None)
            for by_split in (task["counts"], task["labelled"]):
                by_split.pop("test")
        for source in manifest["sources"].values():
            source["repeated"].pop("test")
            source.get("cut", {}).pop("test", None)
    assert first == second


def table_of(folder: Path, out: str, changed: dict[str, str], form: str = "column") -> tuple[dict[str, Any], Path]:
    """Prepare the table whose labels in some test rows are replaced."""
    frame = TABLE.copy()
    for column, value in changed.items():
        frame.loc[100:110, column] = value
    declared: dict[str, Any] = {"split": "part"}
    if form == "column":
        frame.to_csv(folder / f"{out}.csv", index=False)
        declared |= {"kind": "table", "path": f"{out}.csv", "inputs": {"x": "numeric", "town": "categorical"}}
        tasks = {"level": {"kind": "multiclass"}, "sold": {"kind": "binary"}}
    else:  # texts have files of their own, and several labels in a field
        declared = {"kind": "text", "path": f"{out}.csv", "test": f"{out}-test.csv", "text": "town"}
        declared |= {"labels": {"moods": {"column": "moods", "separator": "|"}}}
        frame[~IN_TEST].to_csv(folder / f"{out}.csv", index=False)
        frame[IN_TEST].to_csv(folder / f"{out}-test.csv", index=False)
        tasks = {"level": {"kind": "multiclass"}, "moods": {"kind": "multilabel"}}
    return prepared(folder, out, declared, tasks)


@pytest.mark.parametrize("name", ["aaa", "kk", "zzz"])  # before, among and behind the others
def test_classes_of_test_rows_alone_change_nothing_before_the_evaluation(name: str, tmp_path: Path) -> None:
    _, one = table_of(tmp_path, "one", {})
    manifest, other = table_of(tmp_path, "other", {"level": name, "sold": name})
    assert_alike_before_test(one, other)
    assert manifest["tasks"]["level"]["classes"] == ["low", "mid", "top"]
    assert manifest["tasks"]["sold"]["classes"] == ["no", "yes"]
    assert manifest["tasks"]["sold"]["unseen"] == {name: 11}
    assert f"task 'level': test alone has '{name}' (11): no network" in " ".join(suspicions(manifest))
    data = open_prepared(other)
    before, after = (open_split(open_prepared(folder), "test").labels["level"] for folder in (one, other))
    np.testing.assert_array_equal(after[10:21], 3)
    assert data.tasks["level"].scored == ("low", "mid", "top", name)
    np.testing.assert_array_equal(np.delete(after, np.s_[10:21]), np.delete(before, np.s_[10:21]))


@pytest.mark.parametrize("form", ["column", "file"])
def test_a_word_of_test_among_numbers_leaves_them_numbers(form: str, tmp_path: Path) -> None:
    def of(out: str, last: str) -> tuple[dict[str, Any], Path]:
        grades = [*(["8", "9.0", "10", "11"] * 29), *["9", "8.0", "10", last]]
        frame = TABLE.assign(grade=grades)
        declared: dict[str, Any] = {"kind": "text", "path": f"{out}.csv", "text": "town"}
        if form == "file":
            declared |= {"test": f"{out}-test.csv"}
            frame[IN_TEST].to_csv(tmp_path / f"{out}-test.csv", index=False)
            frame = frame[~IN_TEST]
        else:
            declared = {"kind": "table", "path": f"{out}.csv", "inputs": {"x": "numeric"}, "split": "part"}
        frame.to_csv(tmp_path / f"{out}.csv", index=False)
        return prepared(tmp_path, out, declared, {"grade": {"kind": "multiclass"}})

    _, one = of("one", "11")
    manifest, other = of("other", "none yet")
    assert_alike_before_test(one, other)
    task = manifest["tasks"]["grade"]
    assert (task["classes"], task["unseen"]) == (["8", "9", "10", "11"], {"none yet": 1})


@pytest.mark.parametrize("words", ["aaa|joy", "joy|kk|aaa", "zzz"])
def test_words_of_a_test_file_alone_change_nothing_before_the_evaluation(words: str, tmp_path: Path) -> None:
    _, one = table_of(tmp_path, "one", {}, "text")
    _, other = table_of(tmp_path, "other", {"moods": words, "town": "Paris"}, "text")
    assert_alike_before_test(one, other)
    task = open_prepared(other).tasks["moods"]
    new = sorted(set(words.split("|")) - {"joy"})
    assert (task.classes, task.unseen) == (("anger", "joy", "love"), dict.fromkeys(new, 11))
    labels = open_split(open_prepared(other), "test").labels["moods"]
    assert labels.shape == (30, 3 + len(new))
    np.testing.assert_array_equal(labels[10:21, 1], float("joy" in words))
    np.testing.assert_array_equal(labels[10:21, 3:], 1.0)
    assert np.isnan(labels[21:, 3:]).all()  # where it is absent, no network has said anything wrong


def test_tags_of_a_test_file_alone_change_nothing_before_the_evaluation(tmp_path: Path) -> None:
    def of(out: str, test: str) -> tuple[dict[str, Any], Path]:
        for split, text in {"train": TAGGED["train"], "test": test}.items():
            (tmp_path / f"{out}-{split}.conll").write_text(text)
        declared = {"kind": "tokens", "path": f"{out}-train.conll", "test": f"{out}-test.conll"}
        return prepared(tmp_path, out, declared, {"t": {"kind": "tagging"}})

    _, one = of("one", TAGGED["test"])
    _, other = of("other", TAGGED["test"].replace("B-LOC", "B-ART"))
    assert_alike_before_test(one, other)
    task = open_prepared(other).tasks["t"]
    assert (task.classes, task.unseen) == (("O", "B-LOC", "I-LOC", "B-PER", "I-PER"), {"B-ART": 3})
    assert open_split(open_prepared(other), "test").labels["t"][:2].tolist() == [[5, 0], [3, -1]]


def test_folders_of_test_images_alone_change_nothing_before_the_evaluation(tmp_path: Path) -> None:
    def of(out: str, test: str) -> tuple[dict[str, Any], Path]:
        for number in range(12):
            for split, kind in (("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", test)):
                path = tmp_path / out / split / kind / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (4, 4), 9 * number + len(kind)).save(path)
        declared = {"kind": "images", "path": out, "size": [4, 4]}
        return prepared(tmp_path, f"{out}-out", declared, {"class": {"kind": "multiclass"}})

    _, one = of("one", "dog")
    manifest, other = of("other", "ape")
    assert_alike_before_test(one, other)
    assert manifest["tasks"]["class"]["unseen"] == {"ape": 12}


def test_a_class_of_validation_alone_is_one_that_training_knows(tmp_path: Path) -> None:
    TABLE.assign(part=["train"] * 60 + ["validation"] * 30 + ["test"] * 30).assign(
        level=np.where(np.arange(ROWS) == 70, "new", LEVEL)
    ).to_csv(tmp_path / "t.csv", index=False)
    declared = {"kind": "table", "path": "t.csv", "inputs": {"x": "numeric"}, "split": "part"}
    manifest, _ = prepared(tmp_path, "out", declared, {"level": {"kind": "multiclass"}})
    assert manifest["tasks"]["level"]["classes"] == ["low", "mid", "new", "top"]
    assert suspicions(manifest)[-1] == "task 'level': no row of train is 'new', which other splits have"


@pytest.mark.parametrize(("value", "where"), [(0, "0 in every row"), (1, "1 in every row"), (None, "in no row")])
@pytest.mark.parametrize("in_test", [0, 1])
def test_a_column_of_labels_that_is_constant_before_test_is_refused(
    value: int | None, where: str, in_test: int, tmp_path: Path
) -> None:
    frame = TABLE.assign(a=np.arange(ROWS) % 2, b=np.where(IN_TEST, in_test, np.nan if value is None else value))
    frame.to_csv(tmp_path / "t.csv", index=False)
    declared = {
        "kind": "table",
        "path": "t.csv",
        "inputs": {"x": "numeric"},
        "split": "part",
        "labels": {"m": ["a", "b"]},
    }
    with pytest.raises(UserError, match=f"task 'm': label 'b' is {where} of train and validation: there is nothing"):
        prepared(tmp_path, "out", declared, {"m": {"kind": "multilabel"}})


def test_tags_that_say_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.conll").write_text("a\tO\nb\tO\n\n" * 20)
    with pytest.raises(UserError, match="task 't': every token of train has the same class, 'O': there is nothing"):
        prepared(tmp_path, "out", {"kind": "tokens", "path": "t.conll"}, {"t": {"kind": "tagging"}})
