"""Texts, labels and tags of any characters: drafted, and prepared as they were written."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, strategies as st

from pipeline.config import load
from pipeline.data.prepare import prepare
from pipeline.data.sources.base import Place
from pipeline.drafts.text import draft_text
from pipeline.errors import UserError
from tests.data.files import quiet
from tests.properties.made import ROWS, letters, words

tokens = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=" "), min_size=1, max_size=8)

labels = st.lists(words.filter(str.strip), min_size=2, max_size=3, unique_by=lambda it: it.strip().lower())


def _drafted(folder: Path, file: str, targets: dict[str, str]) -> Any:
    """What was prepared from the draft; what was said where it is refused."""
    (folder / "out").mkdir()
    try:
        text = draft_text(folder / file, targets, "it", folder)
        (folder / "it.yaml").write_text(text, encoding="utf-8")
        experiment = load(str(folder / "it.yaml"), {}, folder)
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
    assert not isinstance(found, str), found
    (task,) = found["tasks"].values()
    assert sum(sum(counts) for counts in task["counts"].values()) == sum(map(len, sentences))
