"""Texts as a model reads them, and its tags as text.

Legend of shapes: T tokens of a row of the network.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.data.encodings import words
from pipeline.kinds import kind_of
from pipeline.serving.rows import shown
from pipeline.serving.specification import Specification

_ROWS = 256  # that pass through the network at a time

Answers = Callable[[str, np.ndarray], dict[str, np.ndarray]]
"""The predictions of a source's tasks for encoded rows [B, F], by column; tags as numbers [B, T]."""


class Texts:
    """Encodes texts, and writes tags and entities.

    Texts longer than the network reads are tagged in pieces; tasks of other kinds see the first.

    Args:
        spec: Of the model.
        answers: The network.
    """

    def __init__(self, spec: Specification, answers: Answers) -> None:
        self._answers, self._tasks = answers, spec.tasks
        self._encodings = {name: it.encoding for name, it in spec.sources.items() if it.kind == "text" and it.encoding}
        self._encoders = {name: words.numbers(it) for name, it in self._encodings.items()}

    def predict(self, texts: Sequence[Any]) -> dict[str, np.ndarray]:
        """Predictions of the tasks of all sources of text, by column.

        Raises:
            ValueError: A value is no text.
        """
        if wrong := [row for row, text in enumerate(texts) if not _is_text(text)]:
            raise ValueError(f"row {wrong[0]} (from 0), column 'text': {shown(texts[wrong[0]])} is no text")
        found: dict[str, np.ndarray] = {}
        for source in self._encodings:
            found |= self._predict(source, texts)
        tasks = list(self._tasks)
        return dict(sorted(found.items(), key=lambda it: tasks.index(it[0].partition("/")[0])))

    def _predict(self, source: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
        tokens = [words.tokens_of(text, self._encodings[source]["parted"]) for text in texts]
        found: dict[str, np.ndarray] = {}
        for name, values in self.of_tokens(source, tokens).items():
            task = name.partition("/")[0]
            tagged = kind_of(self._tasks[task].kind).per_token
            found |= in_words(task, self._tasks[task].classes, tokens, values) if tagged else {name: values}
        return found

    def of_tokens(self, source: str, tokens: Sequence[Sequence[str]]) -> dict[str, Any]:
        """The network's answers for texts in tokens, by column: [B, ...]; of tags a list of [T, ...], one a text.

        Args:
            source: Whose texts.
            tokens: Of each text.
        """
        pieces, begins = words.pieces(tokens, self._encodings[source]["length"])
        parts = []
        for start in range(0, max(len(pieces), 1), _ROWS):
            rows = self._encoders[source].encode(pieces[start : start + _ROWS])
            parts.append(self._answers(source, rows.reshape(len(rows), rows.shape[1] * rows.shape[2])))
        ends, found = [*begins[1:], len(pieces)][: len(begins)], dict[str, Any]()
        for name in parts[0]:
            values = np.concatenate([part[name] for part in parts])
            if kind_of(self._tasks[name.partition("/")[0]].kind).per_token:
                each = [row[: len(piece)] for row, piece in zip(values, pieces, strict=True)]
                spans = zip(begins, ends, strict=True)
                found[name] = [np.concatenate([values[:0, 0], *each[start:end]]) for start, end in spans]
            else:
                found[name] = values[np.array(begins, int)]
        return found


def in_words(
    task: str, classes: Sequence[str], tokens: Sequence[Sequence[str]], tags: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Columns of tags and entities of texts, from the numbers of the tags of each of their tokens, [T]."""
    named = [[classes[tag] for tag in own] for own in tags]
    found = [json.dumps(words.entities(*it), ensure_ascii=False) for it in zip(tokens, named, strict=True)]
    said = [" ".join(own) for own in named]
    return {f"{task}/tags": np.array(said, object), f"{task}/entities": np.array(found, object)}


def _is_text(value: object) -> bool:
    """Whether a value is text, without half a pair of surrogates, which is no character."""
    return isinstance(value, str) and value.encode(errors="replace").decode() == value
