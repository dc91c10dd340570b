"""An experiment is drafted from texts, and what it guesses can be trained on."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import load
from pipeline.drafts.text import draft_text, holds_texts
from pipeline.errors import UserError
from tests.data.texts import conll, posts, written


def drafted(folder: Path, name: str, targets: dict[str, str] | None = None) -> str:
    text = draft_text(folder / name, targets or {}, "mine", folder)
    (folder / "mine.yaml").write_text(text)
    return text


def test_texts_with_labels_are_drafted(tmp_path: Path) -> None:
    folder = written(tmp_path, posts__jsonl=posts(80))
    text = drafted(folder, "posts.jsonl")
    found = load(str(folder / "mine.yaml"), {}, folder)
    assert (found.sources["mine"].path, found.sources["mine"].text) == ("posts.jsonl", "body")
    assert {name: task.kind for name, task in found.tasks.items()} == {"mood": "binary", "stars": "multiclass"}
    assert found.tuning is not None
    assert (found.tuning.trials, found.tuning.timeout) == ("auto", None)
    assert "% have none" in text
    assert "tokens in the middle" in text


def test_targets_decide_what_is_predicted(tmp_path: Path) -> None:
    folder = written(tmp_path, posts__jsonl=posts(80))
    text = drafted(folder, "posts.jsonl", {"stars": "regression"})
    assert {name: task.kind for name, task in load(str(folder / "mine.yaml"), {}, folder).tasks.items()} == {
        "stars": "regression"
    }
    assert "# left out: 'mood', not in --targets" in text


def test_identifiers_are_left_out_and_groups_split(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "user": f"u{n % 9}", "text": f"some words {n}", "spam": n % 2} for n in range(60)]
    written(tmp_path, rows__jsonl="".join(json.dumps(row) + "\n" for row in rows))
    text = drafted(tmp_path, "rows.jsonl")
    found = load(str(tmp_path / "mine.yaml"), {}, tmp_path)
    assert found.sources["mine"].group == "user"
    assert list(found.tasks) == ["spam"]
    assert "# left out: 'id'" in text


def test_entities_that_begin_with_another_tag_are_repaired(tmp_path: Path) -> None:
    sentence = "in O\nNew I-LOC\nYork I-LOC\nJo I-PER\nAl B-PER\n\n"  # IOB1: B- parts what would be one entity
    written(tmp_path, iob__conll=sentence * 30)
    text = drafted(tmp_path, "iob.conll")
    assert load(str(tmp_path / "mine.yaml"), {}, tmp_path).sources["mine"].repair is True
    assert "60 tags I-TYPE continue no entity" in text
    assert "PER 60, LOC 30" in text
    written(tmp_path, names__conll=conll(3))
    assert "repair" not in drafted(tmp_path, "names.conll")


def test_sentences_with_tags_are_drafted(tmp_path: Path) -> None:
    folder = written(tmp_path, names__conll=conll(30))
    text = drafted(folder, "names.conll", {"who": "tagging"})
    found = load(str(folder / "mine.yaml"), {}, folder)
    assert found.sources["mine"].kind == "tokens"
    assert found.tasks["who"].kind == "tagging"
    assert "person" in text and "place" in text  # noqa: PT018


@pytest.mark.parametrize(
    ("content", "targets", "line"),
    [
        ({"x__jsonl": posts(9)}, {"mod": "binary"}, "no column 'mod'"),
        ({"x__jsonl": posts(9)}, {"mood": "class"}, "'class' of 'mood' is no kind of task"),
        ({"x__jsonl": '{"n": 1}\n'}, {}, "no field looks like a text"),
        ({"x__jsonl": '{"text": "some words"}\n'}, {}, "no field looks like a label"),
        ({"x__jsonl": posts(9) + '{"text": null, "mood": "good"}\n'}, {}, "1 of 10 rows have none; every row needs"),
        ({"x__conll": "a\tO\n"}, {}, "no tag but 'O'"),
        ({"x__conll": conll(3)}, {"who": "binary"}, "have tags to predict"),
    ],
)
def test_what_cannot_be_drafted_is_one_line(content: dict, targets: dict, line: str, tmp_path: Path) -> None:
    (name,) = content
    with pytest.raises(UserError, match=line):
        draft_text(written(tmp_path, **content) / name.replace("__", "."), targets, "mine", tmp_path)


def test_measurements_are_numbers_and_kinds_that_are_left_open_are_guessed(tmp_path: Path) -> None:
    rows = [{"text": f"some words {n}", "score": n if n < 5 else n + 0.25, "stars": n % 3} for n in range(90)]
    written(tmp_path, rows__jsonl="".join(json.dumps(row) + "\n" for row in rows))
    for targets in ({}, {"score": "", "stars": ""}):
        drafted(tmp_path, "rows.jsonl", targets)
        found = load(str(tmp_path / "mine.yaml"), {}, tmp_path).tasks
        assert {name: task.kind for name, task in found.items()} == {"score": "regression", "stars": "multiclass"}


def test_what_stands_in_late_rows_is_found(tmp_path: Path) -> None:
    rows = [{"text": "some words here", "mood": "good"}] * 5052
    rows += [{"text": "four words are here", "mood": "bad", "score": 0.5 * n} for n in range(60)]
    written(tmp_path, late__jsonl="".join(json.dumps(row) + "\n" for row in rows))
    text = drafted(tmp_path, "late.jsonl")
    assert text.startswith("# Drafted from 5,112 texts in late.jsonl.")
    assert "3 tokens in the middle, 4 at most;" in text
    assert "good 5,052, bad 60" in text
    found = load(str(tmp_path / "mine.yaml"), {}, tmp_path).tasks
    assert {name: task.kind for name, task in found.items()} == {"mood": "binary", "score": "regression"}
    drafted(tmp_path, "late.jsonl", {"score": ""})


def test_objects_within_objects_are_left_out_and_lists_are_labels(project: Path, headway: Any) -> None:
    rows = [{"text": f"word {n % 7} {n}", "tags": ["a", "b", "c"][: n % 4], "of": {"n": n}} for n in range(60)]
    (project / "rows.json").write_text(json.dumps(rows))
    told = headway("init", "rows.json")
    assert (told.code, told.err) == (0, "")
    assert "left out: 'of', objects within objects" in told.out
    assert load("rows", {}, project).sources["rows"].labels["tags"].column == "tags"
    assert headway("prepare", "rows").code == 0
    counts = headway("show", "rows", "--data", "--json").json["tasks"]["tags"]["classes"]
    assert {name: sum(it.values()) for name, it in counts.items()} == {"a": 45, "b": 30, "c": 15}
    (project / "columns.json").write_text(json.dumps({"text": {"0": "a"}, "mood": {"0": 1}}))
    told = headway("init", "columns.json")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert "'text', 'mood' hold objects within objects: write an object for each row" in told.err


def test_all_sentences_are_counted(tmp_path: Path) -> None:
    written(tmp_path, x__conll="a\tO\n\n" * 300 + "10\u00a0000\tB-sum\nkr\tO\n")
    text = drafted(tmp_path, "x.conll")
    assert text.startswith("# Drafted from 301 sentences in x.conll.")
    assert "sum 1" in text
    assert "1 tokens in the middle, 2 at most" in text


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ({"text": "hi", "n": 1}, True),
        ({"q": "why is the sky so blue", "n": 1}, True),
        ({"town": "Bad Homburg", "day": "2024-01-05", "old": True, "n": 1}, False),
        ({"n": 1, "gone": None}, False),
    ],
)
def test_json_lines_without_a_text_are_a_table(row: dict[str, Any], texts: bool, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(row)}\n" * 3)
    assert holds_texts(path) is texts


def test_a_table_of_json_lines_is_drafted_and_prepared(project: Path, headway: Any) -> None:
    rows = [{"town": f"T{i % 3}", "zip": ["01067", "10115"][i % 2], "x": i / 7, "sold": i % 5 < 2} for i in range(200)]
    (project / "houses.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert headway("init", "houses.jsonl", "--targets", "sold:binary").code == 0
    source = load("houses", {}, project).sources["houses"]
    assert (source.kind, source.inputs) == (
        "table", {"town": "categorical", "zip": "categorical", "x": "numeric"},
    )  # fmt: skip
    assert headway("prepare", "houses").code == 0
