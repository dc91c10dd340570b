"""Small data sets, experiments and stacks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, inputs_file, known, labels_file
from pipeline.training.loop import advance
from pipeline.training.slot import Slot, SlotState, seed_slots, trial_slot
from pipeline.training.stack.stack import Stack

ODD = {"digit": ("multiclass", "left", 3), "parity": ("binary", "left", 2), "other": ("multiclass", "right", 5)}
"""Three tasks on two sources: kind, source, classes."""

MIXED = {
    "digit": ("multiclass", "left", 3),
    "marks": ("multilabel", "left", 4),
    "size": ("regression", "left", 0),
    "parity": ("binary", "right", 2),
}
"""A task of every kind, on two sources."""

TRUNKS: dict[str, dict[str, Any]] = {
    "residual": {"kind": "residual", "widths": [9, 13, 5], "norm": "batch"},
    "residual, layer norm": {"kind": "residual", "widths": [9, 4], "norm": "layer", "activation": "gelu"},
    "lenet": {"kind": "lenet", "channels": [3, 5], "widths": [11, 9]},
    "lenet, tanh": {"kind": "lenet", "channels": [2, 3], "widths": [7], "activation": "tanh"},
    "resnet": {"kind": "resnet", "channels": [3, 4], "blocks": 2},
    "resnet per source": {"kind": "resnet", "channels": [3, 4], "norm": "batch_per_source"},
    "own": {"kind": "tests.model.modules:Convolutions", "arguments": {"norm": True, "dropout": 0.25}},
}
"""For images of 14 x 14; `own` is for those of one channel, [1, 14, 14]."""

SHARINGS: dict[str, dict[str, Any]] = {
    "cross_stitch": {"kind": "cross_stitch"},
    "mmoe": {"kind": "mmoe", "experts": 3},
    "cgc": {"kind": "cgc", "experts": 1, "own_experts": 2},
    "ple": {"kind": "ple"},
    "dselect_k": {"kind": "dselect_k", "experts": 8, "chosen": 3},
    "mtan": {"kind": "mtan", "bottleneck": 0.5},
}
"""Every way of sharing that is more than one trunk."""

ONE_SPLIT = Prepared(Path(), {}, {})
"""Where all slots see the same split."""

BASE: dict[str, Any] = {
    "training.epochs": 3,
    "training.batch_size": 7,
    "training.early_stopping": None,
    "training.schedule": "constant",
    "model.trunk.widths": [9],
    "model.trunk.dropout": 0.5,
    "training.learning_rate": 0.01,
    "tuning": None,
}


def random_data(
    folder: Path,
    tasks: Mapping[str, tuple[str, str, int]] = ODD,
    features: int = 37,
    rows: int | Mapping[str, int] = 50,
    missing: Mapping[str, float] | None = None,
    side: int = 0,
    seed: int = 0,
) -> Prepared:
    """Random bytes whose labels follow from them, half as many rows for validation as for training.

    Args:
        folder: Where the arrays go.
        tasks: Kind, source and number of classes (or labels) by name.
        features: Values of a row.
        rows: Training rows of all sources or of each; 50 leave a last batch of one row at a batch size of 7.
        missing: Share of labels that are left out, by task.
        side: Of square images, where rows are such; in the place of `features`.
        seed: Of the bytes.
    """
    shape = (side, side) if side else (features,)
    features = side * side or features
    draws = np.random.default_rng(seed)
    sources: dict[str, PreparedSource] = {}
    for source in dict.fromkeys(it[1] for it in tasks.values()):
        train = rows if isinstance(rows, int) else rows[source]
        sources[source] = PreparedSource(shape, 255.0, {"train": train, "validation": train // 2})
        for split, count in sources[source].rows.items():
            inputs = draws.integers(0, 256, (count, features), dtype=np.uint8)
            np.save(folder / inputs_file(source, split), inputs)
            for task in (name for name, it in tasks.items() if it[1] == source):
                labels = _labels(inputs, task, *tasks[task][::2])
                labels[: round(count * (missing or {}).get(task, 0.0))] = -1 if labels.dtype == np.int64 else np.nan
                np.save(folder / labels_file(task, split), labels)
    return Prepared(
        folder,
        sources,
        {
            name: _prepared_task(kind, source, classes, np.load(folder / labels_file(name, "train")))
            for name, (kind, source, classes) in tasks.items()
        },
    )


def few_data(folder: Path, *given: Any, **values: Any) -> Prepared:
    """The same with 29 rows, which leave a last batch of one row too: for what is held step by step, bit for bit."""
    return random_data(folder, *given, **{"rows": 29} | values)


def random_table(
    folder: Path, tasks: Mapping[str, tuple[str, str, int]] = MIXED, sizes: tuple[int, ...] = (3, 40), **values: Any
) -> Prepared:
    """The same as rows of a table: standardised numbers, and codes of categories behind them."""
    made = few_data(folder, tasks, **values)
    for source, about in made.sources.items():
        for split in about.rows:
            path = folder / inputs_file(source, split)
            rows = (np.load(path).astype(np.float32) - 127.5) / 74.0
            codes = [np.load(path)[:, -place] % size for place, size in enumerate(sizes, 1)]
            np.save(path, np.concatenate([rows, np.stack(codes, 1).astype(np.float32)], 1))
    sources = {
        name: PreparedSource((it.features + len(sizes),), 1.0, it.rows, {"categories": list(sizes)})
        for name, it in made.sources.items()
    }
    return Prepared(folder, sources, made.tasks)


def experiment_on(prepared: Prepared, values: Mapping[str, Any] | None = None) -> Experiment:
    """A small experiment on these data: `BASE`, then the values."""
    tasks = {name: {"kind": task.kind, "source": task.source} for name, task in prepared.tasks.items()}
    bare = Experiment.model_validate({"name": "small", "tasks": tasks, "tuning": None})
    given = dict(values or {})
    base = {key: it for key, it in BASE.items() if "model.trunk" not in given or not key.startswith("model.trunk.")}
    return with_values(bare, base | given)


def images_for(trunk: str, prepared: Prepared) -> Prepared:
    """The data with rows of the shape that a trunk of `TRUNKS` takes."""
    if trunk != "own":
        return prepared
    return replace(prepared, sources={name: replace(it, shape=(1, *it.shape)) for name, it in prepared.sources.items()})


def seeds(experiment: Experiment, count: int) -> list[Slot]:
    """Slots with streams of their own."""
    return seed_slots(with_values(experiment, {"training.seeds": count}), ONE_SPLIT)


def trials(experiments: Sequence[Experiment]) -> list[Slot]:
    """Slots that share each batch."""
    return [trial_slot(number, experiment) for number, experiment in enumerate(experiments)]


def trained(prepared: Prepared, slots: Sequence[Slot], epochs: int = 99) -> dict[str, SlotState]:
    """The states by name after so many epochs (or looks, where updates are counted), or at the end."""
    stack = Stack(prepared, slots)
    while stack.running and epochs:
        advance(stack)
        epochs -= 1
    return by_name(stack)


def by_name(stack: Stack) -> dict[str, SlotState]:
    return {state.name: state for state in stack.states()}


def assert_same(found: SlotState, wanted: SlotState) -> None:
    """Bit for bit the same history and arrays."""
    assert repr(found.history) == repr(wanted.history)
    assert (found.status, found.best_look, found.waited) == (wanted.status, wanted.best_look, wanted.waited)
    assert found.updates == wanted.updates
    assert found.arrays.keys() == wanted.arrays.keys()
    differing = [name for name, row in found.arrays.items() if row.tobytes() != wanted.arrays[name].tobytes()]
    assert not differing


def _prepared_task(kind: str, source: str, classes: int, train: np.ndarray) -> PreparedTask:
    """The task with what the class weights read."""
    names = tuple(str(number) for number in range(classes))
    if kind == "multilabel":
        counts = np.nansum(train, 0).astype(int).tolist()
    elif kind == "regression":
        counts = []
    else:
        counts = np.bincount(train[train >= 0], minlength=classes).tolist()
    labelled = np.atleast_1d(known(train).sum(0)).tolist()
    return PreparedTask(kind, source, names, {"train": counts}, labelled={"train": labelled})


def _labels(inputs: np.ndarray, task: str, kind: str, classes: int) -> np.ndarray:
    """The class whose random direction a row points along, all such labels, or how far it goes."""
    directions = np.random.default_rng(sum(map(ord, task))).normal(size=(inputs.shape[1], classes or 1))
    along = (inputs - 127.5) @ directions
    if kind == "regression":
        return ((along[:, 0] - along.mean()) / along.std()).astype(np.float32)
    if kind == "multilabel":
        return (along > 0).astype(np.float32)
    return np.argmax(along, 1).astype(np.int64)
