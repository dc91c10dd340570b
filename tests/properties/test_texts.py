"""Texts, labels and tags of any characters: drafted, and prepared as they were written."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from hypothesis import given, strategies as st

from pipeline.config import load
from pipeline.data.conll import sentences as sentences_of
from pipeline.data.encodings.words import tokens_of
from pipeline.data.prepare import prepare
from pipeline.data.sources.base import Place
from pipeline.data.tables.lines import JsonLines
from pipeline.data.texts import open_text_rows
from pipeline.drafts.text import draft_text
from pipeline.errors import UserError
from tests.data.files import quiet
from tests.properties.made import ROWS, letters, words

_of_tokens = st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\r\n\ufeff")
tokens = st.text(st.one_of(_of_tokens, st.sampled_from("# \u00a0\x85")), min_size=1, max_size=8).filter(
    lambda it: it.strip(" ")
)

labels = st.lists(words.filter(str.strip), min_size=2, max_size=3, unique_by=lambda it: it.strip().lower())


def _drafted(folder: Path, file: str, targets: dict[str, str]) -> Any:
    """What was prepared from the draft, as one split; what was said where it is refused."""
    (folder / "out").mkdir()
    try:
        text = draft_text(folder / file, targets, "it", folder)
        (folder / "it.yaml").write_text(text, encoding="utf-8")
        experiment = load(str(folder / "it.yaml"), {"data.test": 0.2}, folder)
        return prepare(experiment, Place("full", folder, None, folder, folder), folder / "out", quiet)
    except UserError as error:
        return str(error)


@given(st.data())
def test_labels_of_texts_are_the_words_of_the_file(data: st.DataObject) -> None:
    chosen = data.draw(
        st.lists(words.filter(str.strip), min_size=2, max_size=3, unique_by=lambda it: it.strip().lower())
    )
    texts = data.draw(st.lists(st.text(letters, min_size=1, max_size=30), min_size=ROWS, max_size=ROWS))
    of_rows = [chosen[row % len(chosen)] for row in range(ROWS)]
    with TemporaryDirectory() as folder:
        with Path(folder, "it.jsonl").open("w", encoding="utf-8") as file:
            for text, label in zip(texts, of_rows, strict=True):
                file.write(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n")
        found = _drafted(Path(folder), "it.jsonl", {"label": "multiclass"})
    assert not isinstance(found, str), found
    (task,) = found["tasks"].values()
    assert len(task["classes"]) == len(chosen)
    assert sum(sum(counts) for counts in task["counts"].values()) == ROWS


@given(st.lists(st.lists(tokens, min_size=1, max_size=6), min_size=ROWS, max_size=ROWS))
def test_every_token_of_a_sentence_has_its_tag(sentences: list[list[str]]) -> None:
    with TemporaryDirectory() as folder:
        with Path(folder, "it.conll").open("w", encoding="utf-8") as file:
            for number, sentence in enumerate(sentences):
                for place, token in enumerate(sentence):
                    file.write(f"{token}\t{'B-X' if (number + place) % 2 else 'O'}\n")
                file.write("\n")
        found = _drafted(Path(folder), "it.conll", {})
        read = [it.tokens for it in sentences_of(Path(folder, "it.conll"))]
        rows = open_text_rows(Path(folder, "it.conll"), ["text"])
        asked = [tokens_of(it, "spaces") for batch in rows.batches for it in batch.frame["text"]]
    assert read == asked
    assert [len(it) for it in read] == [len(it) for it in sentences]
    assert not isinstance(found, str), found
    (task,) = found["tasks"].values()
    assert sum(sum(counts) for counts in task["counts"].values()) == sum(map(len, sentences))


lists = st.lists(st.sampled_from(["a", "b c", "猫"]))
values = st.one_of(st.none(), st.booleans(), st.integers(), st.text(letters), lists)
objects = st.lists(st.fixed_dictionaries({"text": st.text(letters), "label": values}), min_size=1, max_size=20)


@given(objects, st.sampled_from([None, 1]), st.booleans(), st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_list_of_objects_reads_as_one_on_each_line(
    rows: list[dict], indent: int | None, ascii: bool, end: str
) -> None:
    with TemporaryDirectory() as folder:
        whole, lines = Path(folder, "it.json"), Path(folder, "it.jsonl")
        whole.write_bytes(json.dumps(rows, indent=indent, ensure_ascii=ascii).encode())
        lines.write_bytes(end.join(json.dumps(row, ensure_ascii=ascii) for row in rows).encode())
        found = [JsonLines(path, "text") for path in (whole, lines)]
        assert found[0].types == found[1].types
        wanted = dict.fromkeys(("text", "label"), pa.string())
        read = [pa.Table.from_batches(it.batches(wanted)).to_pydict() for it in found]
    assert read[0] == read[1]
    assert read[0]["text"] == [row["text"] for row in rows]
