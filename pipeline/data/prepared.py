"""Prepared data: checksummed arrays in one folder, opened as memory maps.

A folder holds `<source>.<split>.inputs.npy` [N, F], `<task>.<split>.labels.npy` [N, ...], and `manifest.json`; of a
source whose rows come in groups also `<source>.test.groups.npy` [N].
Where every row tests (see `pipeline.data.outer`) it has no test split. Each replicate has a folder of its own within,
`replicates/0` and so on, with train, validation and test. Of every split `<source>.<split>.rows.npy` [N] has the
source's row of each; and `<source>.outer.npy` [N, repeats] says which fold tests each row of the source, -1 where none
does. A source that needs no encoding has its inputs once for all, `<source>.inputs.npy`, in the outer folder: a split
of it is those rows.
The test split is opened by `pipeline.data.test_split` alone.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.kinds import Kind, kind_of

MANIFEST = "manifest.json"
CHOOSING = ("train", "validation")
"""The splits that training and everything that chooses may see."""

_READ = ("categories", "ids", "frame")


@dataclass(frozen=True)
class Split:
    """Some rows.

    Attributes:
        inputs: By source, [N, F] as stored; what the network sees is inputs / scale.
        labels: By task. Numbers of classes: int64 [N], -1 where missing. Tags: int64 [N, T], -1 where missing and after
            the end of a row. Several labels at once: float32 [N, L], 1 or 0. Numbers: float32 [N], standardised (see
            `PreparedTask`). Both NaN where missing. Of test, numbers of classes may be those of `PreparedTask.scored`,
            and labels have a column for each, those behind L NaN where they are not 1.
        without: By source, a range of these rows that is none of the split: a fold that is held out.
        groups: Of the test split, by source whose rows come in groups, the group of each row, from 0: int64 [N].
        at: By source whose inputs are shared by several splits, which of these rows are the split's: int64 [N].
    """

    inputs: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    without: dict[str, range] = field(default_factory=dict)
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    at: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each source has."""
        return {
            source: len(self.at.get(source, rows)) - len(self.without.get(source, ()))
            for source, rows in self.inputs.items()
        }

    def inputs_of(self, source: str) -> np.ndarray:
        """A source's inputs [N, F], row by row of the split: where they are shared, copied."""
        inputs = self.inputs[source]
        return inputs[self.at[source]] if source in self.at else inputs


@dataclass(frozen=True)
class PreparedTask:
    """A task as prepared.

    Attributes:
        kind: Of the task.
        source: Whose rows carry its labels.
        classes: Names of its classes in order; of a multilabel task those of its labels; of a regression task none. A
            row of train or validation has each of them.
        counts: By split, the number of rows of each class, or with each label, or of tokens with each tag; of a
            regression task none.
        mean: Of a regression task's training targets, in their own unit; else 0.
        std: Their standard deviation (of the population); else 1. Targets are stored as (target - mean) / std.
        low: Their minimum, in their own unit, where answers are clipped to their range; else minus infinity.
        high: Their maximum, or infinity.
        labelled: By split, the number of rows with a target: one number, or one for each of several labels.
        length: T, the most tokens of a row of a tagging task; else 0.
        folds: Under cross-validation, `counts` and `labelled` of train and validation as they are in each fold.
        unseen: Classes, labels or tags that test alone has, and in how many rows or tokens: no network answers them.
    """

    kind: str
    source: str
    classes: tuple[str, ...]
    counts: dict[str, list[int]] = field(default_factory=dict)
    mean: float = 0.0
    std: float = 1.0
    low: float = -math.inf
    high: float = math.inf
    labelled: dict[str, list[int]] = field(default_factory=dict)
    length: int = 0
    folds: list[dict[str, dict[str, list[int]]]] = field(default_factory=list)
    unseen: dict[str, int] = field(default_factory=dict)

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of all classes that test rows may have: behind its own those that training never showed."""
        return (*self.classes, *self.unseen)

    def holding_out(self, fold: int) -> "PreparedTask":
        """The task as a network sees it that holds a fold out."""
        own = {name: getattr(self, name) | counted for name, counted in self.folds[fold].items()}
        return replace(self, **own)

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what its answers are clipped, standardised as targets are."""
        return (self.low - self.mean) / self.std, (self.high - self.mean) / self.std

    @property
    def definition(self) -> Kind:
        """Of its kind."""
        return kind_of(self.kind)

    @property
    def outputs(self) -> int:
        """C, the values that the network answers for a row or a token."""
        return self.definition.outputs(len(self.classes))

    @property
    def primary(self) -> str:
        """The metric that decides."""
        return self.definition.primary


@dataclass(frozen=True)
class PreparedSource:
    """A source as prepared.

    Attributes:
        shape: Of one row before it is flattened.
        scale: Inputs are divided by it.
        rows: Number of rows by split.
        encoding: What made its rows of what the source holds, and makes rows to be predicted; None where they are as
            the source holds them.
        resized: They are images that were resized to this shape.
        folds: Under cross-validation where each fold lies in train, as `pipeline.data.folds.Fold` says.
        inputs: The file of all rows' inputs, from the folder, where all splits share it; None where each has its own.
        room: Where every row tests, `categories` and `ids` of the replicate that has the most: what a network has room
            for, so that those of all replicates are of one shape.
    """

    shape: tuple[int, ...]
    scale: float
    rows: dict[str, int]
    encoding: dict[str, Any] | None = None
    resized: bool = False
    folds: tuple[tuple[int, int, int], ...] = ()
    inputs: str | None = None
    room: dict[str, Any] = field(default_factory=dict)

    def holding_out(self, fold: int) -> "PreparedSource":
        """The source as a network sees it that holds a fold out."""
        start, stop, end = self.folds[fold]
        return replace(self, rows=self.rows | {"train": start + end - stop, "validation": stop - start})

    def read_only(self) -> "PreparedSource":
        """The source without what makes rows of what it holds, such as a vocabulary, but for what networks read."""
        made = self.encoding
        return self if made is None else replace(self, encoding={it: made[it] for it in _READ if it in made})

    @property
    def features(self) -> int:
        """F, values of one row."""
        return int(np.prod(self.shape))

    @property
    def categories(self) -> tuple[int, ...]:
        """How many codes each of the last values of a row may have, where these are codes of categories."""
        return tuple((self.room or self.encoding or {}).get("categories", ()))

    @property
    def ids(self) -> int:
        """How many different numbers a row of text holds; 0 where rows are no text."""
        return int((self.room or self.encoding or {}).get("ids", 0))

    @property
    def frame(self) -> dict[str, Any] | None:
        """What a pretrained encoder needs around a row of text; None where its tokenizer did not make the row."""
        return self.encoding.get("frame") if self.encoding else None


@dataclass(frozen=True)
class Prepared:
    """A folder of prepared arrays.

    Attributes:
        folder: Where they lie.
        sources: By name.
        tasks: By name, in the experiment's order.
        chained: The folds of a source are blocks of time, each to be foretold from those before.
        fold: That is held out: validation is this fold, and train what may be learnt from.
        mixed: The sources that share an epoch, where some of them are not among `sources`; else empty.
        replicates: Where every row tests, the data as each replicate sees them; sources and tasks are then those of a
            network that learns from all rows but validation.
    """

    folder: Path
    sources: dict[str, PreparedSource]
    tasks: dict[str, PreparedTask]
    chained: bool = False
    fold: int | None = None
    mixed: dict[str, PreparedSource] = field(default_factory=dict)
    replicates: tuple["Prepared", ...] = ()

    def view(self, replicate: int | None, fold: int | None) -> "Prepared":
        """The data as a network sees them: of one replicate where every row tests; without the fold it holds out."""
        seen = self if replicate is None else self.replicates[replicate]
        return seen.holding_out(fold)

    def whole(self) -> "Prepared":
        """All rows but validation, for the network that is put to use."""
        return replace(self, replicates=())

    @property
    def train_rows(self) -> dict[str, int]:
        """Training rows of all sources that share an epoch: it is as long for a network that reads one of them."""
        return {name: it.rows["train"] for name, it in (self.mixed | self.sources).items()}

    def split(self, name: str) -> Split:
        """Open the train or the validation split.

        Raises:
            ValueError: Any other split is asked for (test is opened by `evaluate` alone), or one that was not made.
        """
        if name not in CHOOSING:
            raise ValueError(f"split '{name}' cannot be opened here: only {' and '.join(CHOOSING)}")
        if any(name not in source.rows for source in self.sources.values()):
            raise ValueError(f"there is no {name} split: it was prepared without")
        return open_split(self, name) if self.fold is None else self._of_fold(self.fold, name)

    def holding_out(self, fold: int | None) -> "Prepared":
        """The same folder as a network sees it that holds a fold out; itself without one."""
        if fold is None:
            return self
        sources, mixed = (
            {name: it.holding_out(fold) for name, it in all_.items()} for all_ in (self.sources, self.mixed)
        )
        tasks = {name: it.holding_out(fold) for name, it in self.tasks.items()}
        return replace(self, sources=sources, tasks=tasks, fold=fold, mixed=mixed)

    def read_only(self) -> "Prepared":
        """The same folder for who reads rows and makes none: small, to be sent to another process."""
        sources, mixed = ({name: it.read_only() for name, it in all_.items()} for all_ in (self.sources, self.mixed))
        return replace(self, sources=sources, mixed=mixed, replicates=tuple(it.read_only() for it in self.replicates))

    def only(self, tasks: Iterable[str]) -> "Prepared":
        """The same folder seen through some of its tasks, in their order; epochs stay those of all."""
        kept = {name: self.tasks[name] for name in tasks}
        used = {task.source for task in kept.values()}
        sources = {name: it for name, it in self.sources.items() if name in used}
        mixed = self.mixed or {name: replace(it, encoding=None) for name, it in self.sources.items()}
        replicates = tuple(it.only(kept) for it in self.replicates)
        mixed = {} if mixed.keys() == sources.keys() else mixed
        return replace(self, sources=sources, tasks=kept, mixed=mixed, replicates=replicates)

    def _of_fold(self, fold: int, name: str) -> Split:
        """Train or validation where a fold is held out: ranges of the same files."""
        whole = open_split(self, "train")
        spans = {source: it.folds[fold] for source, it in self.sources.items()}
        rows = {
            it: slice(0, end) if name == "train" else slice(start, stop) for it, (start, stop, end) in spans.items()
        }
        without = {it: range(start, stop) for it, (start, stop, _) in spans.items()} if name == "train" else {}
        return Split(
            {it: array if it in whole.at else array[rows[it]] for it, array in whole.inputs.items()},
            {task: array[rows[self.tasks[task].source]] for task, array in whole.labels.items()},
            without,
            at={it: at[rows[it]] for it, at in whole.at.items()},
        )


def open_split(prepared: Prepared, name: str) -> Split:
    """Map a split's arrays. For `Prepared.split` and the test split's own module only."""
    folder, sources = prepared.folder, prepared.sources
    return Split(
        {source: _mapped(folder / (it.inputs or inputs_file(source, name))) for source, it in sources.items()},
        {task: _mapped(folder / labels_file(task, name)) for task in prepared.tasks},
        at={source: np.load(folder / rows_file(source, name)) for source, it in sources.items() if it.inputs},
    )


def inputs_file(source: str, split: str) -> str:
    """Name of a source's inputs."""
    return f"{source}.{split}.inputs.npy"


def labels_file(task: str, split: str) -> str:
    """Name of a task's labels."""
    return f"{task}.{split}.labels.npy"


def shared_file(source: str) -> str:
    """Name of the inputs of all rows of a source whose splits share them."""
    return f"{source}.inputs.npy"


def rows_file(source: str, split: str) -> str:
    """Name of the source's row of each row of a split, where every row tests."""
    return f"{source}.{split}.rows.npy"


def outer_file(source: str) -> str:
    """Name of the fold that tests each row, where every row tests."""
    return f"{source}.outer.npy"


def replicate_folder(number: int) -> str:
    """Where a replicate's folder lies within the outer one."""
    return f"replicates/{number}"


def groups_file(source: str) -> str:
    """Name of the groups of a source's test rows."""
    return f"{source}.test.groups.npy"


def open_prepared(folder: Path) -> Prepared:
    """Read a prepared folder's manifest."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    sources = {
        name: PreparedSource(
            tuple(it["shape"]),
            folds=tuple(map(tuple, it.get("folds", ()))),
            **{key: it[key] for key in ("scale", "rows", "encoding", "resized", "inputs") if key in it},
        )
        for name, it in manifest["sources"].items()
    }
    chained = any(it.folds and it.folds[0][2] < it.folds[-1][2] for it in sources.values())
    tasks = {name: PreparedTask(**it | {"classes": tuple(it["classes"])}) for name, it in manifest["tasks"].items()}
    numbers = range(manifest.get("outer", {}).get("replicates", 0))
    replicates = with_room([open_prepared(folder / replicate_folder(number)) for number in numbers])
    return Prepared(folder, sources, tasks, chained, replicates=replicates)


def with_room(replicates: Sequence[Prepared]) -> tuple[Prepared, ...]:
    """The replicates, whose networks have room for as many codes and numbers of text as any of them has.

    Without, a category that few rows have would give nearly every replicate a network of a shape of its own.
    """
    found = []
    for own in replicates:
        sources = {}
        for name, it in own.sources.items():
            alike = [other.sources[name] for other in replicates]
            codes = [other.categories for other in alike if len(other.categories) == len(it.categories)]
            room = {"categories": [max(each) for each in zip(*codes, strict=True)], "ids": max(it.ids for it in alike)}
            sources[name] = replace(it, room=room)
        found.append(replace(own, sources=sources))
    return tuple(found)


def known(labels: np.ndarray) -> np.ndarray:
    """Which targets of a split are not missing, bool of the same shape."""
    return ~np.isnan(labels) if np.issubdtype(labels.dtype, np.floating) else labels >= 0


def checksum(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mapped(path: Path) -> np.ndarray:
    # Copy-on-write: torch wants writable memory, and nothing here writes.
    return np.load(path, mmap_mode="c")
