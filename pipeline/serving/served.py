"""A model as it is served: one network that predicts every task, or several, each its own.

A row of images has the columns `pixel_0` ... `pixel_{F-1}`: values as the source stores them, not yet divided by its
scale. A row of a table has the table's own input columns; what is missing there, or was never seen in training, is
treated as in training. A text has the one column `text`; tokens of sources that came in tokens are split at spaces
there. A prediction has for each task whose source has such rows the columns `<task>/...` that `decisions` says; of a
tagging task `<task>/tags`, a tag for each token, joined by spaces, and `<task>/entities`, a JSON list of objects with
`text`, `type`, and `start` and `end`, the first token and the one after the last.

Legend of shapes: B rows, F values of a row, T tokens of a row.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.data.encodings.rows import RowError
from pipeline.model.layers.preference import asking
from pipeline.serving.decisions import Decision, decision_of
from pipeline.serving.network import build
from pipeline.serving.rows import Rows
from pipeline.serving.specification import Specification
from pipeline.serving.texts import Texts

_CHUNK = 1024  # rows that pass through the network at a time

Ask = Callable[[Decision, Tensor], Mapping[str, np.ndarray]]
"""What is asked of a task's logits, by the name of a column."""


def _predicted(decision: Decision, logits: Tensor) -> Mapping[str, np.ndarray]:
    return decision.named({name: it.numpy() for name, it in decision.predict(logits).items()})


class Served:
    """A network, or several.

    Args:
        spec: Of the model.
        tensors: Its weights by name.
    """

    def __init__(self, spec: Specification, tensors: Mapping[str, Tensor]) -> None:
        self._spec, self._trunks = spec, build(spec, tensors)
        self._texts = Texts(spec, self._answers)
        self._decisions = {task: decision_of(it) for task, it in spec.tasks.items()}  # imports, while the code is there

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Predict every task for every row.

        Args:
            frame: The columns of a source in any order. Pixels are any numbers, none missing.
            params: `preference`, of a network that is given one: a share of each task, in the order of the
                specification.

        Returns:
            Labels (int64), classes (text), probabilities (float32), values (float64), tags and entities (text), a row a
            row, under the index of the input.

        Raises:
            ValueError: A column is missing, unknown or no number; a value missing or no text; no preference.
            RowError: A number is too large, or the network's answer is no finite one.
        """
        found = self._matching(frame)
        with asking(self._shares(params)):
            if found[0].kind == "text":
                columns = self._texts.predict(frame[found[0].columns[0]].tolist())
            else:
                columns = {}
                for rows in found:
                    starts = range(0, max(len(frame), 1), _CHUNK)
                    parts = (rows.values(frame.iloc[start : start + _CHUNK], start) for start in starts)
                    columns |= self._joined(rows, parts)
        _check_finite(columns)
        ordered = [name for task in self._decisions for name in columns if name.startswith(f"{task}/")]
        return pd.DataFrame({name: columns[name] for name in ordered}, index=frame.index)

    def answers(self, source: str, values: np.ndarray) -> pd.DataFrame:
        """Predict every task for rows [B, F] of a source that are encoded already, as prepared data have them.

        The tags of a row are an array of numbers [T].
        """
        columns = self._answers(source, values)
        return pd.DataFrame({name: list(it) if it.ndim > 1 else it for name, it in columns.items()})

    def chances(self, source: str, rows: Any) -> dict[str, Any]:
        """What is averaged where several networks answer a row, by task, see `Decision.chances`.

        Args:
            source: Whose rows.
            rows: [B, F] as prepared data have them; of texts instead the tokens of each.

        Returns:
            [B, C]; of tags, of each text, an array of its tokens [T, C].
        """
        if self._spec.sources[source].kind == "text":
            return Texts(self._spec, self._chances).of_tokens(source, rows)
        return self._chances(source, rows)

    def _chances(self, source: str, values: np.ndarray) -> dict[str, np.ndarray]:
        found = self._answers(source, values, lambda decision, logits: {"": decision.chances(logits).numpy()})
        return {name.removesuffix("/"): it for name, it in found.items()}

    def _answers(self, source: str, values: np.ndarray, ask: Ask = _predicted) -> dict[str, np.ndarray]:
        starts = range(0, max(len(values), 1), _CHUNK)
        parts = (np.array(values[start : start + _CHUNK], np.float32) for start in starts)
        return self._joined(Rows.of(source, self._spec.sources[source]), parts, ask)

    def _matching(self, frame: pd.DataFrame) -> list[Rows]:
        """What the caller's rows are: of all that the model reads, what has most columns in common.

        Tables of the same columns, each encoded in its own way, are several.
        """
        known = list(dict.fromkeys(trunk.rows for trunk in self._trunks))
        rows = min(known, key=lambda it: (len(set(it.columns) ^ set(frame.columns)), len(it.columns)))
        rows.check(frame)
        return [it for it in known if it.kind == rows.kind and set(it.columns) == set(rows.columns)]

    def _shares(self, params: Mapping[str, Any] | None) -> Tensor | None:
        """The shares [T] of a preference, which sum to 1; None for the network's own."""
        given, tasks = (params or {}).get("preference"), self._spec.preference.get("tasks")
        if given is None or tasks is None:
            return None
        values = np.asarray(given, np.float64)
        if values.shape != (len(tasks),) or not np.isfinite(values).all() or values.min() < 0 or not values.any():
            raise ValueError(f"preference: a share of each of {', '.join(tasks)}, none below 0 and not all 0")
        return torch.from_numpy(values / values.sum()).float()

    def _joined(self, rows: Rows, parts: Iterable[np.ndarray], ask: Ask = _predicted) -> dict[str, np.ndarray]:
        """Predictions for rows [B, F] that come some at a time, by column."""
        found = [self._predict(rows, torch.from_numpy(part), ask) for part in parts]
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def _predict(self, rows: Rows, values: Tensor, ask: Ask) -> dict[str, np.ndarray]:
        logits: dict[str, Tensor] = {}
        with torch.inference_mode():
            for trunk in self._trunks:
                if trunk.rows == rows:
                    x = trunk.layers(values / trunk.scale)
                    logits |= {task: head(x) for task, head in trunk.heads.items()}
            columns: dict[str, np.ndarray] = {}
            for task, decision in self._decisions.items():
                if task not in logits:
                    continue
                shape = [len(values), *rows.source.shape[: decision.kind.per_token]]
                predicted = ask(decision, logits[task])
                columns |= {f"{task}/{name}": it.reshape([*shape, *it.shape[1:]]) for name, it in predicted.items()}
        return columns


def _check_finite(columns: Mapping[str, np.ndarray]) -> None:
    for name, answers in columns.items():
        if np.issubdtype(answers.dtype, np.floating) and not (finite := np.isfinite(answers)).all():
            row = int(np.argmin(finite))
            raise RowError(
                row, f"'{name}': the network answers {answers[row]}: is an input far from those of training?"
            )
