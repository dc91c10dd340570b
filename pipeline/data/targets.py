"""Targets: what a source's labels become when they are prepared, by kind of task.

Shapes: N rows of a split, L labels at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config.tasks import TaskSettings
from pipeline.data.encodings.moments import Range
from pipeline.data.encodings.rows import LARGEST, too_large
from pipeline.data.prepared import known
from pipeline.data.sources import Examples
from pipeline.errors import UserError
from pipeline.kinds import Form, kind_of

_CHUNK = 1 << 20
_WORDS: dict[Form, str] = {
    "classes": "one class a row", "labels": "several labels a row", "numbers": "numbers", "tags": "a tag a token"
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """A task's targets as they are written.

    Attributes:
        arrays: By split, as `pipeline.data.prepared.Split` has them; classes as whole numbers of any size.
        about: What the manifest says of the task beside its kind and source, as `PreparedTask` has it.
    """

    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


def label_of(task: str, settings: TaskSettings, examples: Examples) -> str:
    """Which of the source's labels the task predicts.

    Raises:
        UserError: There is no such label, or it is of another form than the task's kind needs.
    """
    known = list(examples.classes)
    wanted = settings.label or (task if task in known else known[0] if len(known) == 1 else None)
    if wanted not in known:
        raise UserError(
            f"tasks.{task}.label: source '{settings.source}' has the labels {', '.join(known)}; "
            f"found '{wanted or task}'"
        )
    found, kind, count = form(examples.train.labels[wanted]), kind_of(settings.kind), len(examples.classes[wanted])
    if found != kind.form:
        raise UserError(
            f"tasks.{task}.kind: {settings.kind} needs {_WORDS[kind.form]}, label '{wanted}' holds {_WORDS[found]}"
        )
    if kind.two_classes and count != 2:
        raise UserError(f"tasks.{task}.kind: {settings.kind} needs two classes, label '{wanted}' has {count}")
    return wanted


def form(labels: np.ndarray) -> Form:
    """What a source's array of labels holds: `classes` or `tags` (whole numbers), `labels` ([N, L]) or `numbers`."""
    floating = np.issubdtype(labels.dtype, np.floating)
    if labels.ndim == 2:
        return "labels" if floating else "tags"
    return "numbers" if floating else "classes"


def targets_of(task: str, labels: Mapping[str, np.ndarray], classes: list[str], clip: bool = False) -> Stored:
    """What is stored of a task's labels.

    Args:
        task: Its name, for messages.
        labels: By split, of any form, as `pipeline.data.sources.Part` has them.
        classes: Names of classes or labels; of numbers none.
        clip: Answers are to be clipped to the range of the training targets, where these are numbers.

    Raises:
        UserError: A split has no target at all, or train has nothing to learn from.
    """
    _check_present(task, labels)
    found = form(labels["train"])
    if found == "numbers":
        return _numbers(task, labels, clip)
    if found == "tags":
        return _tags(labels, classes)
    if found == "labels":
        arrays = {name: values.astype(np.float32) for name, values in labels.items()}
        counts = {name: np.nansum(values, 0).astype(int).tolist() for name, values in labels.items()}
    else:
        arrays = dict(labels)
        counts = {name: _counted(values, len(classes)) for name, values in labels.items()}
    return Stored(arrays, {"classes": classes, "counts": counts, "labelled": _labelled(arrays)})


def _numbers(task: str, labels: Mapping[str, np.ndarray], clip: bool) -> Stored:
    """Numbers, standardised by the training split alone."""
    for name, values in labels.items():
        if (wrong := too_large(values)).any():
            what = f"{values[np.argmax(wrong)]:g}, is no number to compute with (they end at {LARGEST:.1e})"
            raise UserError(f"task '{task}': a target in {name}, {what}")
    train = labels["train"][known(labels["train"])].astype(np.float64, copy=False)
    if (reach := Range(float(train.min()), float(train.max()))).is_point:
        same = f"the same target, {reach.low:g}" + ("" if reach.low == reach.high else " but for rounding")
        raise UserError(f"task '{task}': every row of train has {same}: there is nothing to learn")
    mean, std = float(train.mean()), float(train.std()) or reach.high - reach.low  # squares can underflow
    arrays = {name: _standardised(values, mean, std) for name, values in labels.items()}
    for name, values in arrays.items():
        if (wrong := np.isinf(values)).any():
            what = f"{labels[name][np.argmax(wrong)]:g}, is too large beside those of train"
            raise UserError(f"task '{task}': a target in {name}, {what} (standard deviation {std:g})")
    about = {"classes": [], "counts": {}, "labelled": _labelled(arrays), "mean": mean, "std": std}
    return Stored(arrays, about | (reach._asdict() if clip else {}))


def _tags(labels: Mapping[str, np.ndarray], classes: list[str]) -> Stored:
    """Tags; a rare one may well be in one split only, for it is entities that are counted."""
    arrays = {name: values.astype(np.int64) for name, values in labels.items()}
    counts = {name: np.bincount(it[it >= 0], minlength=len(classes)).tolist() for name, it in arrays.items()}
    labelled = {name: [int((it >= 0).any(1).sum())] for name, it in arrays.items()}
    length = arrays["train"].shape[1]
    return Stored(arrays, {"classes": classes, "counts": counts, "labelled": labelled, "length": length})


def fitted(tags: np.ndarray, length: int) -> np.ndarray:
    """Tags [N, L] as [N, T]: cut, or filled up with what stands beyond the end of a row."""
    beyond = max(0, length - tags.shape[1])
    return np.pad(tags[:, :length], ((0, 0), (0, beyond)), constant_values=-1)


def _counted(values: np.ndarray, classes: int) -> list[int]:
    """Rows of each class, a few rows at a time: counting takes eight bytes a row."""
    found = np.zeros(classes, np.int64)
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        found += np.bincount(part[part >= 0], minlength=classes)
    return found.tolist()


def _standardised(values: np.ndarray, mean: float, std: float) -> np.ndarray:
    """float32 [N], a few rows at a time: in between they are float64."""
    found = np.empty(len(values), np.float32)
    for start in range(0, len(values), _CHUNK):
        part = slice(start, start + _CHUNK)
        with np.errstate(over="ignore"):
            found[part] = (values[part].astype(np.float64, copy=False) - mean) / std
    return found


def _labelled(arrays: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
    """How many rows of each split have a target, or each of several labels."""
    return {name: np.atleast_1d(known(values).sum(0)).tolist() for name, values in arrays.items()}


def _check_present(task: str, labels: Mapping[str, np.ndarray]) -> None:
    """Each split must have something to learn from, to choose by, or to measure on."""
    for name, values in labels.items():
        if not known(values).any():
            raise UserError(f"task '{task}': no row of {name} has a label")
