"""Small prepared text whose labels follow from it, with tasks of every kind that text may have."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, inputs_file, labels_file

IDS, LENGTH, COLUMNS = 30, 10, 2
TAGS = ("O", "B-a", "I-a", "B-b", "I-b")
TASKS = {
    "who": ("tagging", "left", TAGS),
    "mood": ("multiclass", "left", ("x", "y", "z")),
    "marks": ("multilabel", "right", ("p", "q")),
    "size": ("regression", "right", ()),
    "odd": ("binary", "right", ("no", "yes")),
}
"""Kind, source and classes by name."""

TRUNKS = {
    "lstm": {"kind": "lstm", "embedding": 6, "widths": [5, 3], "dropout": 0.4},
    "gru": {"kind": "gru", "embedding": 6, "widths": [5], "dropout": 0.4},
    "transformer": {"kind": "transformer", "embedding": 8, "heads": 2, "widths": [7], "dropout": 0.4},
}


def text_data(
    folder: Path,
    tasks: Mapping[str, tuple[str, str, tuple[str, ...]]] = TASKS,
    missing: float = 0.0,
    rows: int = 45,
    seed: int = 0,
) -> Prepared:
    """Rows of random tokens.

    Args:
        folder: Where the arrays go.
        tasks: Those of `TASKS` that are wanted.
        missing: Share of rows without a target.
        rows: Training rows; half as many for validation.
        seed: Of the tokens.
    """
    draws = np.random.default_rng(seed)
    sources = dict.fromkeys(source for _, source, _ in tasks.values())
    prepared: dict[str, PreparedSource] = {}
    about: dict[str, PreparedTask] = {}
    for source in sources:
        prepared[source] = PreparedSource(
            (LENGTH, COLUMNS), 1.0, {"train": rows, "validation": rows // 2}, {"kind": "text", "ids": IDS}
        )
        for split, count in prepared[source].rows.items():
            lengths = draws.integers(1, LENGTH + 1, count)
            # As in prepared text, no number stands in two columns: they are looked up in one table.
            inputs = np.stack([draws.integers(*ends, (count, LENGTH)) for ends in ((1, 15), (15, IDS))], 2)
            inputs = inputs.astype(np.int32)
            inputs[np.arange(LENGTH) >= lengths[:, None]] = 0
            np.save(folder / inputs_file(source, split), inputs.reshape(count, -1))
            for task, (kind, its, classes) in tasks.items():
                if its == source:
                    labels = _labels(kind, classes, inputs)
                    labels[: round(missing * count)] = -1 if labels.dtype == np.int64 else np.nan
                    np.save(folder / labels_file(task, split), labels)
                    about[task] = _about(kind, its, classes, labels)
    return Prepared(folder, prepared, {task: about[task] for task in tasks})


def _labels(kind: str, classes: tuple[str, ...], inputs: np.ndarray) -> np.ndarray:
    first, there = inputs[:, :, 0], inputs[:, :, 0] > 0
    if kind == "tagging":
        begins = np.where(first % 5 == 1, 1, np.where(first % 5 == 2, 3, 0))
        before = np.pad(begins[:, :-1], ((0, 0), (1, 0)))
        tags = np.where((begins == 0) & (before > 0) & (first % 2 == 0), before + 1, begins)
        return np.where(there, tags, -1).astype(np.int64)
    if kind == "multilabel":
        return np.stack([(first == 7).any(1), (first == 8).any(1)], 1).astype(np.float32)
    if kind == "regression":
        return (there.mean(1) - 0.5).astype(np.float32)
    return (first[:, 0] % max(len(classes), 2)).astype(np.int64)


def _about(kind: str, source: str, classes: tuple[str, ...], labels: np.ndarray) -> PreparedTask:
    """The task with what class weights read."""
    if kind == "regression":
        return PreparedTask(kind, source, classes)
    counts = np.nansum(labels, 0).astype(int) if kind == "multilabel" else np.bincount(
        labels[labels >= 0], minlength=len(classes)
    )  # fmt: skip
    labelled = np.atleast_1d((~np.isnan(labels)).sum(0)).tolist() if kind == "multilabel" else [len(labels)]
    length = LENGTH if kind == "tagging" else 0
    return PreparedTask(kind, source, classes, {"train": counts.tolist()}, labelled={"train": labelled}, length=length)
