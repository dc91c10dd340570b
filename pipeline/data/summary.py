"""What prepared data hold: rows, classes and missing targets of every split, and a few examples of training targets.

The test split is told of by what was counted when it was made: nothing here opens it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.data.encodings.readable import Readable
from pipeline.data.prepared import CHOOSING, Prepared, PreparedSource, PreparedTask, known

_EXAMPLES = 3
_MARKS = {"lowest": 0.0, "quarter": 0.25, "median": 0.5, "three quarters": 0.75, "highest": 1.0}


def summary(prepared: Prepared) -> dict[str, Any]:
    """Of the sources and tasks, as plain data.

    Returns:
        `sources`: by name shape, scale, rows by split, and rows of each fold; where every row tests, `replicates`, the
        rows of each one by split; of text how many `words` or `subwords` are told apart, and `examples` of training
        rows. `tasks`: by name kind and source; `missing`, by split the share
        of targets;
        `classes`, by class or label its rows in each split, or by tag its tokens, and `of`, by split how many there are
        of either; of a regression task `values` instead, by split the lowest, median and so on, in the target's unit;
        and `examples` from the first training rows.
    """
    return {
        "sources": {
            name: {"shape": list(it.shape), "scale": it.scale, "rows": it.rows}
            | _text(prepared, name, it)
            | ({"folds": [stop - start for start, stop, _ in it.folds]} if it.folds else {})
            | ({"replicates": [own.sources[name].rows for own in prepared.replicates]} if prepared.replicates else {})
            for name, it in prepared.sources.items()
        },
        "tasks": {name: _task(prepared, name, it) for name, it in prepared.tasks.items()},
    }


def in_words(rows: Sequence[Mapping[str, int]]) -> str:
    """How many rows each split has in several replicates.

    >>> in_words([{"train": 1000, "test": 250}, {"train": 1000, "test": 251}])
    '1,000 train, 250-251 test'
    """
    spans = {split: (min(it[split] for it in rows), max(it[split] for it in rows)) for split in rows[0]}
    return ", ".join(
        f"{fewest:,}{f'-{most:,}' if most > fewest else ''} {split}" for split, (fewest, most) in spans.items()
    )


def _text(prepared: Prepared, name: str, source: PreparedSource) -> dict[str, Any]:
    """What is told of text alone."""
    if not source.ids or source.encoding is None:
        return {}
    kind = "words" if source.encoding["by"] == "words" else "subwords"
    count = len(source.encoding["words"]) if "words" in source.encoding else source.ids - 1
    readable = Readable(source.encoding)
    rows = np.asarray(prepared.split("train").inputs_of(name)[:_EXAMPLES]).reshape(-1, *source.shape)
    return {kind: count, "examples": [" ".join(readable.tokens(row)) for row in rows]}


def _task(prepared: Prepared, name: str, task: PreparedTask) -> dict[str, Any]:
    rows = prepared.sources[task.source].rows
    told: dict[str, Any] = {
        "kind": task.kind,
        "source": task.source,
        "missing": {split: 1.0 - float(np.mean(there)) / rows[split] for split, there in task.labelled.items()},
    }
    opened = {split: prepared.split(split).labels[name] for split in rows if split in CHOOSING}
    if task.definition.is_number:
        told["values"] = {split: _marks(task, values) for split, values in opened.items()}
    else:
        told["classes"] = {
            label: {split: counts[index] for split, counts in task.counts.items()}
            for index, label in enumerate(task.classes)
        }
        told["of"] = (
            {split: sum(counts) for split, counts in task.counts.items()} if task.definition.per_token else rows
        )
    return told | {"examples": [_shown(task, row) for row in opened["train"][:_EXAMPLES]]}


def _marks(task: PreparedTask, values: np.ndarray) -> dict[str, float]:
    """Quantiles in the target's unit."""
    found = np.quantile(values[known(values)].astype(np.float64), list(_MARKS.values()))
    return {mark: _in_unit(task, value) for mark, value in zip(_MARKS, found, strict=True)}


def _in_unit(task: PreparedTask, value: float) -> float:
    """A standardised target as the source had it, rounded to the digits that float32 has kept."""
    return round(float(value) * task.std + task.mean, 5 - math.floor(math.log10(task.std))) + 0.0


def _shown(task: PreparedTask, target: np.ndarray) -> str:
    """One row's target in words; `?` where it is missing."""
    form = task.definition.form
    if form == "labels":
        there = [label for label, value in zip(task.classes, target, strict=True) if value == 1.0]
        unknown = [f"{label}?" for label, value in zip(task.classes, target, strict=True) if np.isnan(value)]
        return ", ".join(there + unknown) or "none"
    if form == "tags":
        return " ".join(task.classes[tag] for tag in target if tag >= 0) or "?"
    if form == "numbers":
        return "?" if np.isnan(target) else f"{_in_unit(task, float(target)):.6g}"
    return task.classes[int(target)] if target >= 0 else "?"
