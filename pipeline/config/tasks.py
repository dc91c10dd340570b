"""What an experiment may say about a task: each kind with its own settings; see `pipeline.kinds`."""

import re
from collections.abc import Container, Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from pipeline.config.base import as_tuple
from pipeline.config.facts import RESOLVED, SAME_COST, read_by
from pipeline.config.own import OwnPath, is_own, known
from pipeline.config.parts import Part
from pipeline.printable import printable

ALL = "all"
"""The task name under which values over all tasks are logged; no task may take it."""

LONGEST_NAME = 100
"""Letters of a task's or a source's name: names of files and keys of metrics are made of it."""


def named(what: str, name: str) -> str:
    """The name of a task or a source, which names files and metrics.

    Raises:
        ValueError: It has other characters than these may have, or too many.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"a {what}'s name has letters, digits, '_' and '-' only, found '{name}'")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a {what}'s name has at most {LONGEST_NAME} letters, found {len(name)}")
    return name


def _task_name(name: str) -> str:
    if named("task", name) == ALL:
        raise ValueError(f"no task may be called '{ALL}': values over all tasks are logged under it")
    return name


ROOM = 40
"""Letters of a task's name that is made of a longer label: figures and tables have room for no more."""

TaskName = Annotated[str, AfterValidator(_task_name)]


def plain(name: str, otherwise: str = "label", taken: Container[str] = (), longest: int = LONGEST_NAME) -> str:
    """A name as experiments, sources and tasks may have it: letters, digits, '_' and '-' only.

    Args:
        name: Any.
        otherwise: What it is called if nothing of it is left.
        taken: Names, in lower case, that it may not have, as 'A' and 'a' are one file on some disks.
        longest: Letters that it has at most; a longer one ends with a word.
    """
    short = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if len(short) > longest:
        words = short[: longest + 1].rpartition("_")[0].rstrip("_")
        short = words or short[:longest]
    if not short or (short != name and not re.search(r"[A-Za-z0-9]", short)):
        short = otherwise
    while short.lower() in taken:
        short += "_"
    return short


def titles(tasks: Mapping[str, "TaskSettings"]) -> dict[str, str]:
    """What people call each task: its label, where its name is but what a task can bear of that; else its name."""
    found = {name: name for name in tasks}
    for name, task in tasks.items():
        label = task.label or name
        stands_in = plain(label) != label and plain(label).rstrip("_") == name.rstrip("_")
        if stands_in and len(label) <= ROOM and printable(label) not in found.values():
            found[name] = printable(label)
    return found


class TaskSettings(Part):
    """One thing to predict.

    Attributes:
        kind: Of task.
        source: Name of the source whose rows carry the labels.
        label: Which of the source's labels; null means the one named as the task, or the source's only one.
        loss: One of `losses`, or of kinds that take one of the user's own `package.module:Class`, see
            `pipeline.model.own_loss`.
        losses: Names of the losses that are built in.
    """

    part = "kind of task"

    kind: str
    source: str
    label: Annotated[str | None, SAME_COST] = None
    loss: Annotated[str, read_by("train", "study")] = "cross_entropy"

    losses: ClassVar[tuple[str, ...]] = ("cross_entropy",)

    @classmethod
    def modules(cls) -> set[str]:
        """See `Part`: a kind is defined in the file of its name."""
        return {f"pipeline.kinds.{name}" for name in get_args(cls.model_fields["kind"].annotation)}

    @property
    def own_loss(self) -> str | None:
        """The path of a loss of the user's own."""
        return self.loss if is_own(self.loss) else None

    @property
    def own_metrics(self) -> tuple[str, ...]:
        """Paths of metrics of the user's own."""
        return getattr(self, "metrics", ())

    @classmethod
    def takes(cls, loss: str) -> bool:
        """Whether tasks of this kind can have this loss."""
        return loss in cls.losses or (is_own(loss) and issubclass(cls, OwnParts))

    @field_validator("loss")
    @classmethod
    def _known(cls, loss: str) -> str:
        if loss == "squared" and not cls.takes(loss):
            return "cross_entropy"  # experiments of earlier versions list it of every task
        return known("loss", loss, {name for it in cls.choices.values() for name in it.losses}, ", ".join(cls.losses))

    @model_validator(mode="after")
    def _of_its_kind(self) -> "TaskSettings":
        if not self.takes(self.loss):
            kinds = ", ".join(name for name, it in self.choices.items() if it.takes(self.loss))
            raise ValueError(f"loss={self.loss} is for {kinds} tasks; this one is {self.kind}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _clips(cls, values: Any) -> Any:
        """Refuse `clip: null`, which says something, where other kinds' settings that are null count as not given."""
        if isinstance(values, dict) and "clip" not in cls.model_fields and values.get("clip", "") is None:
            raise ValueError(f"clip=null is for regression tasks; this one is {values['kind']}")
        return values


class OwnParts(TaskSettings):
    """Tasks that take a loss and metrics of the user's own.

    Attributes:
        loss_arguments: Keyword arguments of one's own loss.
        metrics: Metrics of one's own as `package.module:name`, measured on test beside the others; see
            `pipeline.analysis.own_metrics`.
    """

    loss_arguments: Annotated[dict[str, Any], read_by("train", "study")] = Field(default_factory=dict)
    metrics: Annotated[tuple[OwnPath, ...], BeforeValidator(as_tuple), read_by("evaluate"), RESOLVED] = ()

    @model_validator(mode="after")
    def _no_arguments(self) -> "OwnParts":
        if self.loss_arguments and not self.own_loss:
            raise ValueError(f"loss={self.loss} takes no loss_arguments: leave them out")
        return self


class Weighted(TaskSettings):
    """Tasks with classes or labels.

    Attributes:
        class_weights: `balanced` lets every class weigh alike in the loss, however rare it is (in a multilabel task a
            label's presence and absence); the mean weight of the training targets is 1. Metrics stay unweighted.
        focal: Exponent of the focal loss (Lin et al. 2017, arXiv 1708.02002), which turns from what is answered well
            to what is not; 0 is cross-entropy, 2 the paper's choice.
    """

    class_weights: Annotated[Literal["equal", "balanced"], read_by("train", "study")] = "equal"
    focal: Annotated[float, read_by("train", "study")] = Field(default=0.0, ge=0.0)

    @model_validator(mode="after")
    def _focal_or_own(self) -> "Weighted":
        if self.own_loss and self.focal:
            raise ValueError("focal is for the built-in cross-entropy: leave it out, or the loss of your own")
        return self


class Multiclass(Weighted, OwnParts):
    """One of several classes."""

    kind: Literal["multiclass"]


class Binary(Weighted, OwnParts):
    """One of two classes, by a single logit."""

    kind: Literal["binary"]


class Multilabel(Weighted, OwnParts):
    """Each of several labels is there or not."""

    kind: Literal["multilabel"]


class Regression(OwnParts):
    """A number.

    Attributes:
        loss: In standard deviations of the training targets: `squared`, `absolute`, or `huber` (squared up to one
            deviation, absolute beyond it); or one's own.
        clip: `range` keeps answers within the range of the training targets, wherever answers are made: in all metrics
            but the loss, in `predict` and in the served model. Null leaves them as the network gives them, for targets
            that may well lie beyond.
    """

    losses = ("squared", "absolute", "huber")

    kind: Literal["regression"]
    loss: Annotated[str, read_by("train", "study")] = "squared"
    clip: Literal["range"] | None = "range"


class Tagging(Weighted):
    """A BIO tag for every token of a sentence: which spans are entities, and of which type."""

    kind: Literal["tagging"]
