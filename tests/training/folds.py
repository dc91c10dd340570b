"""Random data in folds, and the same with a fold held out by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.config import Experiment
from pipeline.data.folds import Fold, of_folds
from pipeline.data.prepared import Prepared, inputs_file, labels_file
from pipeline.training.slot import Slot, batch_slots
from tests.training.made import ONE_SPLIT, random_data


def in_folds(folder: Path, tasks: Mapping[str, tuple[str, str, int]], folds: int = 3, **more: object) -> Prepared:
    """Random data whose training rows are cut into folds, and that have no validation split."""
    prepared = random_data(folder, tasks, **more)  # type: ignore[arg-type]
    sources, about = {}, {}
    for name, source in prepared.sources.items():
        rows = source.rows["train"]
        edges = [rows * fold // folds for fold in range(folds + 1)]
        spans = tuple(Fold(start, stop, rows) for start, stop in pairwise(edges))
        sources[name] = replace(source, rows={"train": rows}, folds=spans)
    for name, task in prepared.tasks.items():
        spans = tuple(Fold(*it) for it in sources[task.source].folds)
        targets = np.load(folder / labels_file(name, "train"))
        about[name] = replace(task, folds=of_folds(name, targets, spans, len(task.classes)))
    return Prepared(folder, sources, about)


def by_hand(prepared: Prepared, fold: int, folder: Path) -> Prepared:
    """The same rows, with those of a fold in a validation split of their own files."""
    folder.mkdir()
    view = prepared.holding_out(fold)
    for name, source in prepared.sources.items():
        _cut(prepared.folder, folder, [inputs_file(name, it) for it in ("train", "validation")], source.folds[fold])
    for name, task in prepared.tasks.items():
        files = [labels_file(name, it) for it in ("train", "validation")]
        _cut(prepared.folder, folder, files, prepared.sources[task.source].folds[fold])
    return Prepared(folder, view.sources, view.tasks)


def trials_of(experiment: Experiment, count: int) -> list[Slot]:
    """The slots of so many trials, fold after fold."""
    return batch_slots(dict.fromkeys(range(count), experiment), ONE_SPLIT)


def of_fold(slots: Sequence[Slot], fold: int) -> list[Slot]:
    return [slot for slot in slots if slot.fold == fold]


def poison(prepared: Prepared, fold: int) -> None:
    """Make the inputs of a fold NaN, and its targets others that are possible."""
    for name, source in prepared.sources.items():
        start, stop, _ = source.folds[fold]
        path = prepared.folder / inputs_file(name, "train")
        inputs = np.load(path).astype(np.float32)
        inputs[start:stop] = np.nan
        np.save(path, inputs)
    for name, task in prepared.tasks.items():
        start, stop, _ = prepared.sources[task.source].folds[fold]
        path = prepared.folder / labels_file(name, "train")
        targets = np.load(path)
        targets[start:stop] = 0
        np.save(path, targets)


def _cut(there: Path, here: Path, files: Sequence[str], fold: tuple[int, int, int]) -> None:
    rows = np.load(there / files[0])
    start, stop, end = fold
    np.save(here / files[0], np.concatenate([rows[:start], rows[stop:end]]))
    np.save(here / files[1], rows[start:stop])
