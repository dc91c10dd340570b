"""What a model is: its network, the sources that it reads and the tasks that it predicts.

The same classes write and read the metadata of a saved stack, `spec.json` of a model package, and what MLflow shows of
it. What has its default value is not written, and what is not known is not read: files of earlier versions are read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cached_property
from math import inf
from typing import Any, Self

from pipeline.kinds import kind_of

Layer = dict[str, Any]
"""A layer as it describes itself: `kind`, and what a layer of this kind is made of."""
_VOCABULARY = ("words", "tokenizer")


@dataclass(frozen=True)
class _Part:
    """A mapping of JSON with known names."""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Read it, from JSON or from the attributes of what is described."""
        return cls(**{it.name: found[it.name] for it in fields(cls) if it.name in found})

    def json(self) -> dict[str, Any]:
        """Write it."""
        return {it.name: value for it in fields(self) if (value := getattr(self, it.name)) != _default(it)}


@dataclass(frozen=True)
class SourceSpec(_Part):
    """What must be known of a source to give its rows to a network.

    Attributes:
        shape: Of one row before it is flattened.
        scale: Rows are divided by it.
        resized: They are images that were resized to this shape.
        encoding: What makes rows of a table's columns or of text, see `pipeline.data.encodings`; None of pixels.
    """

    shape: Sequence[int]
    scale: float
    resized: bool = False
    encoding: dict[str, Any] | None = None

    @property
    def kind(self) -> str:
        """`text`, `table` or `pixels`."""
        return str((self.encoding or {}).get("kind", "pixels"))


@dataclass(frozen=True)
class TaskSpec(_Part):
    """What must be known of a task to make predictions of its logits.

    Attributes:
        kind: Of the task.
        source: Whose rows it is about.
        classes: Names of its classes, labels or tags in order; of a regression task none.
        mean: Of a regression task's training targets, in their own unit.
        std: Their standard deviation.
        low: Predicted values are clipped to the range from here, in their own unit,
        high: to here.
        thresholds: Of a multilabel task, one a label: a label is predicted above it.
    """

    kind: str
    source: str
    classes: Sequence[str]
    mean: float = 0.0
    std: float = 1.0
    low: float = -inf
    high: float = inf
    thresholds: list[float] | None = None

    def json(self) -> dict[str, Any]:
        """Write it; of a regression task always with mean and deviation."""
        return super().json() | ({"mean": self.mean, "std": self.std} if kind_of(self.kind).is_number else {})


@dataclass(frozen=True)
class BranchSpec(_Part):
    """A trunk and the heads on it.

    Attributes:
        name: The layer at an index of the trunk has tensors named `<name>.<index>.`; of a head `head.<task>.<index>.`.
        sources: Whose rows pass through the trunk.
        trunk: Its layers.
        heads: Each task's own layers.
        reads: From and to which of the trunk's values each task's head reads; where it is empty all read all.
    """

    name: str
    sources: list[str]
    trunk: list[Layer]
    heads: dict[str, list[Layer]]
    reads: dict[str, list[int]] = field(default_factory=dict)

    @property
    def layers(self) -> Iterator[Layer]:
        """All layers, and those that they consist of."""
        yield from _layers([self.trunk, *self.heads.values()])


@dataclass(frozen=True)
class Specification:
    """One network, or several that predict different tasks.

    Attributes:
        branches: The network's.
        sources: By name.
        tasks: By name, in the order of the predicted columns.
        slot: The slot of the stack that the network was trained in.
        slots: Of several networks, that of each task.
        code: In a package, the name of its copy of the code that makes the network.
    """

    branches: list[BranchSpec]
    sources: dict[str, SourceSpec]
    tasks: dict[str, TaskSpec]
    slot: str = ""
    slots: dict[str, str] = field(default_factory=dict)
    code: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Specification":
        """Read a `spec.json`."""
        return cls(
            [BranchSpec.of(it) for it in found["network"]["branches"]],
            {name: SourceSpec.of(it) for name, it in found["sources"].items()},
            {name: TaskSpec.of(it) for name, it in found["tasks"].items()},
            found.get("slot", ""),
            found.get("slots", {}),
            code if isinstance(code := found.get("code", ""), str) else "",
        )

    @classmethod
    def of_slot(cls, stack: Mapping[str, Any], slot: str) -> "Specification":
        """Read what the file of a saved stack says of one of its slots; see `pipeline.training.saved`."""
        place = stack["slots"].index(slot)
        thresholds = {task: {"thresholds": each[place]} for task, each in stack["thresholds"].items()}
        tasks = {name: {**it, **thresholds.get(name, {})} for name, it in stack["tasks"].items()}
        return cls.of({**stack, "tasks": tasks, "slot": slot, "slots": {}})

    def json(self) -> dict[str, Any]:
        """Write a `spec.json`."""
        source_of = {task: it.source for task, it in self.tasks.items()}
        network = {"branches": [it.json() for it in self.branches], "source_of": source_of}
        return {"network": network, "sources": _json(self.sources), "tasks": _json(self.tasks), **self._named("code")}

    def summary(self) -> dict[str, Any]:
        """What a user must know to make use of the model: no layers and no vocabularies.

        Returns:
            `slot` or `slots`, `sources`, `tasks`, and of a network that is given a preference `preference`.
        """
        sources = _json(self.sources)
        for it in sources.values():
            if "encoding" in it:
                it["encoding"] = {name: value for name, value in it["encoding"].items() if name not in _VOCABULARY}
        told = {"sources": sources, "tasks": _json(self.tasks), **self._named()}
        return told | ({"preference": self.preference} if self.preference else {})

    @property
    def layers(self) -> Iterator[Layer]:
        """All layers, and those that they consist of."""
        for branch in self.branches:
            yield from branch.layers

    @cached_property
    def preference(self) -> dict[str, Any]:
        """The `shares` by which the network predicts and whose they are, `tasks`; empty where it is given none."""
        found = (it for it in self.layers if it["kind"] == "preference")
        return next(({name: it[name] for name in ("tasks", "shares")} for it in found), {})

    def _named(self, *more: str) -> dict[str, Any]:
        """What is not empty of slot, slots, and more."""
        return {name: it for name in ("slot", "slots", *more) if (it := getattr(self, name))}


def _default(it: Field[Any]) -> Any:
    return it.default if it.default_factory is MISSING else it.default_factory()


def _json(parts: Mapping[str, _Part]) -> dict[str, dict[str, Any]]:
    return {name: it.json() for name, it in parts.items()}


def _layers(described: Any) -> Iterator[Layer]:
    """The layers within a JSON value."""
    if isinstance(described, dict):
        if "kind" in described:
            yield described
        described = [] if described.get("kind") == "module" else list(described.values())  # arguments are its own
    for inner in described if isinstance(described, list) else ():
        yield from _layers(inner)
