"""Sources of text: from files to prepared arrays, and what is wrong with them in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.data.encodings.words import COLUMNS
from pipeline.data.prepared import open_split
from pipeline.data.sources import Place, source
from pipeline.data.summary import summary
from pipeline.data.texts import TEXT, open_text_rows
from pipeline.errors import UserError
from tests.data.files import quiet
from tests.data.texts import conll, experiment, posts, prepared, small, written

LINES = {"kind": "text", "path": "x.txt", "labels_file": "y.txt"}
MOOD = {"mood": {"kind": "binary", "source": "own"}}


def read(folder: Path, declared: dict[str, Any], tasks: dict[str, Any]) -> Any:
    like = experiment({"own": declared}, tasks)
    return source(like, "own").read(Place("full", folder, None, folder, folder), quiet)


def test_one_vocabulary_is_made_of_the_training_rows_of_all_sources(tmp_path: Path) -> None:
    data = prepared(small(tmp_path / "raw"), experiment(), tmp_path / "data")
    names, texts = data.sources["names"], data.sources["posts"]
    assert names.shape == texts.shape == (names.shape[0], COLUMNS)
    assert names.encoding is not None
    assert texts.encoding is not None
    assert names.encoding["words"] == texts.encoding["words"]
    assert {"oslo", "great", "!"} <= set(names.encoding["words"])
    assert (names.encoding["parted"], texts.encoding["parted"], texts.encoding["field"]) == ("spaces", "words", "body")
    rows = data.split("train").inputs["posts"]
    assert rows.dtype == np.int32
    assert 0 < rows.max() < texts.ids


def test_tags_lie_beside_their_tokens_and_are_counted(tmp_path: Path) -> None:
    data = prepared(small(tmp_path / "raw"), experiment(), tmp_path / "data")
    task, train = data.tasks["who"], data.split("train")
    assert task.classes == ("O", "B-person", "I-person", "B-place", "I-place")
    assert task.length == data.sources["names"].shape[0]
    tags, words = train.labels["who"], train.inputs["names"].reshape(-1, task.length, COLUMNS)[:, :, 0]
    assert tags.shape == words.shape
    assert ((tags >= 0) == (words > 0)).all()
    assert task.counts["train"] == np.bincount(tags[tags >= 0], minlength=5).tolist()
    assert task.labelled["train"] == [len(tags)]


def test_missing_labels_are_masks(tmp_path: Path) -> None:
    data = prepared(small(tmp_path / "raw"), experiment(), tmp_path / "data")
    moods = data.split("train").labels["mood"]
    assert 0 < (moods == -1).sum() < len(moods) / 2
    assert not np.isnan(data.split("train").labels["stars"]).any()


def test_long_rows_are_cut_and_told_of(tmp_path: Path) -> None:
    told: list[str] = []
    like = experiment(data={"text": {"length": 4}})
    data = prepared(small(tmp_path / "raw"), like, tmp_path / "data", told.append)
    assert data.tasks["who"].length == 4
    assert any("rows of train are cut after 4 tokens (data.text.length)" in line for line in told)


def test_splits_that_are_files_are_kept(tmp_path: Path) -> None:
    folder = written(
        tmp_path / "raw",
        a__conll=conll(20), b__conll=conll(7, 1), c__conll=conll(9, 2),
        a__jsonl=posts(30), b__jsonl=posts(11, 1), c__jsonl=posts(13, 2),
    )  # fmt: skip
    sources = {
        "names": {"kind": "tokens", "path": "a.conll", "validation": "b.conll", "test": "c.conll"},
        "posts": {"kind": "text", "path": "a.jsonl", "text": "body", "validation": "b.jsonl", "test": "c.jsonl"},
    }
    data = prepared(folder, experiment(sources), tmp_path / "data")
    assert data.sources["names"].rows == {"train": 20, "validation": 7, "test": 9}
    assert data.sources["posts"].rows == {"train": 30, "validation": 11, "test": 13}
    one = prepared(folder, experiment({**sources, "names": {"kind": "tokens", "path": "c.conll"}}), tmp_path / "other")
    test, alone = (open_split(it, "test").labels for it in (data, one))
    assert (test["stars"] == alone["stars"]).all()
    (folder / "b.jsonl").write_text(posts(11, 5))
    changed = prepared(folder, experiment(sources), tmp_path / "changed")
    assert changed.sources["posts"].encoding == data.sources["posts"].encoding  # nothing is learnt from validation


def test_what_is_cut_from_train_has_every_tag(tmp_path: Path) -> None:
    sources = {"names": {"kind": "tokens", "path": "names.conll"}}
    tasks = {"who": {"kind": "tagging", "source": "names"}}
    data = prepared(small(tmp_path / "raw"), experiment(sources, tasks), tmp_path / "data")
    assert all(
        count for count in data.tasks["who"].counts["validation"] if count != data.tasks["who"].counts["train"][2]
    )


def test_plain_lines_have_the_labels_beside_them(tmp_path: Path) -> None:
    folder = written(tmp_path, x__txt="oh no\nhm\nyes\n", y__txt="0\n\n1\n", names__txt="0 bad\n1 good\n")
    found = read(folder, LINES | {"classes_file": "names.txt"}, MOOD)
    assert found.classes == {"mood": ["bad", "good"]}
    assert found.train.labels["mood"].tolist() == [0, -1, 1]
    assert [row for chunk in found.train.inputs.chunks() for row in chunk] == [["oh", "no"], ["hm"], ["yes"]]


def test_tables_and_several_labels_in_a_field_are_read(tmp_path: Path) -> None:
    folder = written(tmp_path, posts__csv="text,feels\nhi there,joy|love\nno,\nbah,anger\n")
    declared = {"kind": "text", "path": "posts.csv", "labels": {"feels": {"column": "feels", "separator": "|"}}}
    found = read(folder, declared, {"feels": {"kind": "multilabel", "source": "own"}})
    assert found.classes == {"feels": ["anger", "joy", "love"]}
    assert np.isnan(found.train.labels["feels"][1]).all()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            '{"body": "a", "mood": "x"}\n{"mood": "x"}\n',
            "posts.jsonl: line 2, field 'body': missing; every row needs its text",
        ),
        ('{"body": "a", "mood": "x"}\n{"body": 3}\n', "posts.jsonl: line 2, field 'body': 3 is no text"),
        ('{"text": "a", "mood": "x"}\n', "posts.jsonl: no object has a field 'body'; there are 'text', 'mood'"),
        ('{"body": "a"}\n', "posts.jsonl: no object has a field 'mood'"),
        ("", "posts.jsonl: is empty"),
    ],
)
def test_what_is_wrong_with_a_file_of_texts_is_one_line(content: str, line: str, tmp_path: Path) -> None:
    folder = written(tmp_path, posts__jsonl=content)
    with pytest.raises(UserError) as error:
        read(folder, {"kind": "text", "path": "posts.jsonl", "text": "body"}, MOOD)
    assert f"/{line}" in str(error.value)


def test_a_tag_that_training_never_showed_is_named_with_its_line(tmp_path: Path) -> None:
    folder = written(tmp_path, a__conll="x\tB-a\n", b__conll="y\tO\n\nx\tO\ny\tB-car\n")
    with pytest.raises(UserError, match=r"b\.conll: line 4: tag 'B-car' is unseen in training: .*a\.conll has O, B-a"):
        read(
            folder,
            {"kind": "tokens", "path": "a.conll", "validation": "b.conll"},
            {"t": {"kind": "tagging", "source": "own"}},
        )


def test_no_such_file_is_said_before_anything_is_read(tmp_path: Path) -> None:
    like = experiment({"own": LINES}, MOOD)
    with pytest.raises(UserError, match=r"x\.txt: no such file"):
        source(like, "own").fingerprint(Place("full", tmp_path, None, tmp_path, tmp_path))


def test_a_task_of_another_kind_is_told_what_the_tags_are(tmp_path: Path) -> None:
    like = experiment(tasks={"who": {"kind": "multiclass", "source": "names"}})
    with pytest.raises(UserError, match=r"multiclass needs one class a row, label 'tags' holds a tag a token"):
        prepared(small(tmp_path / "raw"), like, tmp_path / "data")


def test_prepared_text_is_told_of_in_words(tmp_path: Path) -> None:
    told = summary(prepared(small(tmp_path / "raw"), experiment(), tmp_path / "data"))
    who = told["tasks"]["who"]
    assert who["missing"]["train"] == 0.0
    assert sum(counts["train"] for counts in who["classes"].values()) == who["of"]["train"]
    assert len(told["sources"]["names"]["examples"][0].split()) == len(who["examples"][0].split())
    assert told["sources"]["posts"]["words"] > 5


def test_lists_are_several_labels_and_an_empty_one_is_none(tmp_path: Path) -> None:
    rows = [{"text": "a", "feels": it} for it in (["joy", "love"], [], None, ["joy"], "love")]
    folder = written(tmp_path, posts__json=json.dumps(rows))
    declared = {"kind": "text", "path": "posts.json", "labels": {"feels": {"column": "feels"}}}
    found = read(folder, declared, {"feels": {"kind": "multilabel", "source": "own"}})
    assert found.classes == {"feels": ["joy", "love"]}
    np.testing.assert_array_equal(found.train.labels["feels"], [[1, 1], [0, 0], [np.nan, np.nan], [1, 0], [0, 1]])


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.parquet", "p.jsonl", "p.json", "P.JSONL"])
def test_texts_are_the_same_whatever_file_they_come_from(tmp_path: Path, name: str) -> None:
    texts = ["10\u00a0000 kr", "a\u2003b\u3000c", "d\u2028e\x85f\x0cg", "h\ni\rj\r\nk", "  l\tm  ", "Ünï çödé 猫"]
    frame = pd.DataFrame({"text": texts, "mood": list("xyxyxy")})
    {
        ".csv": lambda path: frame.to_csv(path, index=False),
        ".tsv": lambda path: frame.to_csv(path, index=False, sep="\t"),
        ".parquet": lambda path: frame.to_parquet(path, index=False),
        ".jsonl": lambda path: frame.to_json(path, orient="records", lines=True),
        ".json": lambda path: frame.to_json(path, orient="records"),
    }[Path(name).suffix.lower()](tmp_path / name)
    found = read(tmp_path, {"kind": "text", "path": name}, MOOD)
    tokens = [row for chunk in found.train.inputs.chunks() for row in chunk]
    assert tokens == [
        ["10", "000", "kr"], ["a", "b", "c"], ["d", "e", "f", "g"], ["h", "i", "j", "k"], ["l", "m"],
        ["Ünï", "çödé", "猫"],
    ]  # fmt: skip
    batches = open_text_rows(tmp_path / name, ["text"]).batches
    assert [row for batch in batches for row in batch.frame[TEXT]] == texts
