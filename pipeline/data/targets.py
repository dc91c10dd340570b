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
    found, kind = form(examples.train.labels[wanted]), kind_of(settings.kind)
    if found != kind.form:
        raise UserError(
            f"tasks.{task}.kind: {settings.kind} needs {_WORDS[kind.form]}, label '{wanted}' holds {_WORDS[found]}"
        )
    return wanted


def form(labels: np.ndarray) -> Form:
    """What a source's array of labels holds: `classes` or `tags` (whole numbers), `labels` ([N, L]) or `numbers`."""
    floating = np.issubdtype(labels.dtype, np.floating)
    if labels.ndim == 2:
        return "labels" if floating else "tags"
    return "numbers" if floating else "classes"


def targets_of(
    task: str, labels: Mapping[str, np.ndarray], classes: list[str], clip: bool = False, declared: bool = False
) -> Stored:
    """What is stored of a task's labels.

    Its classes are those that a row of train or validation has, in the order of the source: what test alone has, no
    network could learn, and nothing before the evaluation depends on it.

    Args:
        task: Its name, for messages.
        labels: By split, of any form, as `pipeline.data.sources.Part` has them.
        classes: Names of classes or labels; of numbers none.
        clip: Answers are to be clipped to the range of the training targets, where these are numbers.
        declared: The several labels are columns that the experiment names, and stay whatever the rows have.

    Raises:
        UserError: A split has no target at all, or train has nothing to learn from.
    """
    _check_present(task, labels)
    found = form(labels["train"])
    if found == "numbers":
        return _numbers(task, labels, clip)
    counts = {name: _counted(values, len(classes)) for name, values in labels.items()}
    learnt = np.sum([its for name, its in counts.items() if name != "test"], 0) > 0
    if found == "labels" and declared:
        learnt[:] = True
    if found == "tags":
        learnt = _of_types(learnt, classes)
    own, unseen = np.flatnonzero(learnt), np.flatnonzero(~learnt & (counts.get("test", 0 * learnt) > 0))
    arrays = {name: _renumbered(values, [*own, *unseen], len(own), name == "test") for name, values in labels.items()}
    about = {
        "classes": [classes[place] for place in own],
        "counts": {name: its[own].tolist() for name, its in counts.items()},
        "labelled": _labelled(arrays, len(own)),
        **({"length": arrays["train"].shape[1]} if found == "tags" else {}),
        **({"unseen": {classes[place]: int(counts["test"][place]) for place in unseen}} if len(unseen) else {}),
    }
    _check_varied(task, found, about)
    return Stored(arrays, about)


def _of_types(learnt: np.ndarray, classes: list[str]) -> np.ndarray:
    """Which tags are known: all of a type of which one is, and the one that says that there is nothing."""
    types = {name[2:] for name, known_ in zip(classes, learnt, strict=True) if known_}
    return np.array([not place or name[2:] in types for place, name in enumerate(classes)])


def _renumbered(values: np.ndarray, kept: list[int], own: int, is_test: bool) -> np.ndarray:
    """Classes or tags as their places among those that are kept; several labels, the columns of these.

    Args:
        values: As the source has them.
        kept: Its classes, first those that training knows.
        own: How many these are.
        is_test: The others count, where a row has one of them.
    """
    if not np.issubdtype(values.dtype, np.floating):
        places = np.full(max([*kept, int(values.max(initial=0))]) + 2, -1, values.dtype)
        places[kept] = np.arange(len(kept))
        return values if np.array_equal(places[:-1], np.arange(len(places) - 1)) else places[values]
    values = values[:, kept if is_test else kept[:own]].astype(np.float32)
    values[:, own:][values[:, own:] != 1.0] = np.nan
    return values


def _check_varied(task: str, found: Form, about: Mapping[str, Any]) -> None:
    """There must be something to learn: more than one class, and of each of several labels rows with and without it."""
    classes, counts, labelled = about["classes"], about["counts"], about["labelled"]
    if found != "labels":
        if np.count_nonzero(counts["train"]) < 2:
            what = "token" if found == "tags" else "row"
            same = f"every {what} of train has the same class, '{classes[int(np.argmax(counts['train']))]}'"
            raise UserError(f"task '{task}': {same}: there is nothing to learn")
        return
    splits = [name for name in counts if name != "test"]
    present, known_ = (np.sum([its[name] for name in splits], 0) for its in (counts, labelled))
    for label, with_it, rows in zip(classes, present, known_, strict=True):
        if with_it in (0, rows):
            value = f"{1 if with_it else 0} in every row" if rows else "in no row"
            raise UserError(
                f"task '{task}': label '{label}' is {value} of {' and '.join(splits)}: there is nothing to learn; "
                "leave it out"
            )


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


def fitted(tags: np.ndarray, length: int) -> np.ndarray:
    """Tags [N, L] as [N, T]: cut, or filled up with what stands beyond the end of a row."""
    beyond = max(0, length - tags.shape[1])
    return np.pad(tags[:, :length], ((0, 0), (0, beyond)), constant_values=-1)


def _counted(values: np.ndarray, classes: int) -> np.ndarray:
    """Rows of each class or with each label, or tokens of each tag: a few rows at a time, as it takes eight bytes each.

    int64 [C].
    """
    found = np.zeros(classes, np.int64)
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        floating = np.issubdtype(part.dtype, np.floating)
        found += np.nansum(part, 0).astype(int) if floating else np.bincount(part[part >= 0], minlength=classes)
    return found


def _standardised(values: np.ndarray, mean: float, std: float) -> np.ndarray:
    """float32 [N], a few rows at a time: in between they are float64."""
    found = np.empty(len(values), np.float32)
    for start in range(0, len(values), _CHUNK):
        part = slice(start, start + _CHUNK)
        with np.errstate(over="ignore"):
            found[part] = (values[part].astype(np.float64, copy=False) - mean) / std
    return found


def _labelled(arrays: Mapping[str, np.ndarray], labels: int = 1) -> dict[str, list[int]]:
    """How many rows of each split have a target, a tag, or each of several labels."""
    found = {}
    for name, values in arrays.items():
        there = known(values)
        tags = values.ndim > 1 and np.issubdtype(values.dtype, np.integer)
        found[name] = np.atleast_1d((there.any(1) if tags else there).sum(0))[:labels].tolist()
    return found


def _check_present(task: str, labels: Mapping[str, np.ndarray]) -> None:
    """Each split must have something to learn from, to choose by, or to measure on."""
    for name, values in labels.items():
        if not known(values).any():
            remedy = "split rows otherwise, or leave the task out" if name != "train" else "leave the task out"
            raise UserError(f"task '{task}': no row of {name} has a label: {remedy}")
