"""What a model answers to texts: a part of `served_model`, which goes into the models that read text.

This file stands alone, as that one does, and gets the file that makes numbers of text by its name.

Legend of shapes: B texts, T tokens of a row of the network.
"""

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

COLUMN = "text"
_ROWS = 256  # that pass through the network at a time
_TAGS = "/tags"

Answers = Callable[[str, np.ndarray], pd.DataFrame]
"""What the tasks of a source answer to its encoded rows [B, F], by column; the tags of a row as numbers [T]."""


class Texts:
    """Reads texts and puts the network's answers into words.

    Args:
        spec: Of the model.
        answers: The network.
    """

    def __init__(self, spec: Mapping[str, Any], answers: Answers) -> None:
        self._words = importlib.import_module(spec["code"]["words"])
        self._answers, self._tasks = answers, spec["tasks"]
        self._sources = {name: it["encoding"] for name, it in spec["sources"].items() if is_text(it)}
        self._encoders = {name: self._words.numbers(about) for name, about in self._sources.items()}

    def answer(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Answers to the texts of a frame with one column, by column.

        Raises:
            ValueError: It has other columns, or a value is no text.
        """
        if list(frame.columns) != [COLUMN]:
            raise ValueError(f"the one column is '{COLUMN}'; found {', '.join(map(repr, frame.columns))}")
        texts = frame[COLUMN].tolist()
        if wrong := [row for row, text in enumerate(texts) if not isinstance(text, str)]:
            raise ValueError(f"row {wrong[0]} (from 0), column '{COLUMN}': {texts[wrong[0]]!r} is no text")
        found: dict[str, np.ndarray] = {}
        for source in self._sources:
            found |= self._answer(source, texts)
        tasks = list(self._tasks)
        return dict(sorted(found.items(), key=lambda it: tasks.index(it[0].partition("/")[0])))

    def _answer(self, source: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
        about = self._sources[source]
        tokens = [self._words.tokens_of(text, about["parted"]) for text in texts]
        pieces, begins = self._words.pieces(tokens, about["length"])
        parts = []
        for start in range(0, max(len(pieces), 1), _ROWS):
            rows = self._encoders[source].encode(pieces[start : start + _ROWS])
            parts.append(self._answers(source, rows.reshape(len(rows), rows.shape[1] * rows.shape[2])))
        joined = {name: np.concatenate([part[name].to_numpy() for part in parts]) for name in parts[0]}
        found: dict[str, np.ndarray] = {}
        for name, values in joined.items():
            if name.endswith(_TAGS):
                found |= self._in_words(name.removesuffix(_TAGS), tokens, pieces, begins, values)
            else:
                found[name] = values[np.array(begins, int)]
        return found

    def _in_words(
        self, task: str, tokens: list[list[str]], pieces: list[list[str]], begins: list[int], values: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Tags and entities of texts, from the numbers of the tags of each of their pieces, [T]."""
        classes = self._tasks[task]["classes"]
        each = [[classes[tag] for tag in row[: len(piece)]] for row, piece in zip(values, pieces, strict=True)]
        ends = [*begins[1:], len(each)][: len(begins)]
        tags = [list(chain.from_iterable(each[start:end])) for start, end in zip(begins, ends, strict=True)]
        found = [json.dumps(self._words.entities(*it), ensure_ascii=False) for it in zip(tokens, tags, strict=True)]
        said = [" ".join(own) for own in tags]
        return {f"{task}{_TAGS}": np.array(said, object), f"{task}/entities": np.array(found, object)}


class OfText(nn.Module):
    """Of the answer of a trunk [B, (T + 1) * H] the vectors of all tokens [B * T, H], or those of the rows [B, H].

    Args:
        part: `tokens` or `pooled`.
        length: T.
        width: H.
    """

    def __init__(self, part: str, length: int, width: int) -> None:
        super().__init__()
        self.tokens, self.kept, self.width = part == "tokens", length * width, width

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x[:, : self.kept].reshape(-1, self.width) if self.tokens else x[:, self.kept :]


def is_text(source: Mapping[str, Any]) -> bool:
    """Whether a source of a spec holds text."""
    return bool(source.get("encoding", {}).get("kind") == "text")
