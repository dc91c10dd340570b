"""What an experiment may say about a task."""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from pipeline.config.base import Settings, as_tuple
from pipeline.config.facts import RESOLVED, SAME_COST, read_by
from pipeline.config.own import OwnPath, is_own, known

ALL = "all"
"""The task name under which values over all tasks are logged; no task may take it."""


def named(what: str, name: str) -> str:
    """The name of a task or a source, which names files and metrics.

    Raises:
        ValueError: It has other characters than these may have.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"a {what}'s name has letters, digits, '_' and '-' only, found '{name}'")
    return name


def _task_name(name: str) -> str:
    if named("task", name) == ALL:
        raise ValueError(f"no task may be called '{ALL}': values over all tasks are logged under it")
    return name


TaskName = Annotated[str, AfterValidator(_task_name)]


Kind = Literal["multiclass", "binary", "multilabel", "regression", "tagging"]
RegressionLoss = Literal["squared", "absolute", "huber"]

PRIMARY: dict[str, str] = {
    "multiclass": "accuracy",
    "binary": "accuracy",
    "multilabel": "roc_auc",
    "regression": "r2",
    "tagging": "entity_f1",
}
"""The metric that decides, by kind of task: higher is better, 1 is perfect, so that a mean over tasks makes sense."""


_OWN_PARTS = ("multiclass", "binary", "multilabel", "regression")  # kinds whose answer a part of one's own can take


class TaskSettings(Settings):
    """One thing to predict.

    Attributes:
        kind: `multiclass` (one of several classes), `binary` (one of two, a single logit), `multilabel` (each of
            several labels is there or not), `regression` (a number) or `tagging` (a BIO tag for every token of a
            sentence: which spans are entities, and of which type).
        source: Name of the source whose rows carry the labels.
        label: Which of the source's labels; null means the one named as the task, or the source's only one.
        loss: Of a regression task, in standard deviations of the training targets: `squared`, `absolute`, or `huber`
            (squared up to one deviation, absolute beyond it). Of any task `package.module:Class`, one's own, see
            `pipeline.model.own_loss`.
        loss_arguments: Keyword arguments of one's own loss.
        clip: Of a regression task: `range` keeps answers within the range of the training targets, wherever answers are
            made: in all metrics but the loss, in `predict` and in the served model. Null leaves them as the network
            gives them, for targets that may well lie beyond.
        class_weights: `balanced` lets every class weigh alike in the loss, however rare it is (in a multilabel task a
            label's presence and absence); the mean weight of the training targets is 1. Metrics stay unweighted.
        focal: Exponent of the focal loss (Lin et al. 2017, arXiv 1708.02002), which turns from what is answered well
            to what is not; 0 is cross-entropy, 2 the paper's choice.
        metrics: Metrics of one's own as `package.module:name`, measured on test beside the others; see
            `pipeline.analysis.own_metrics`.
    """

    kind: Kind
    source: str
    label: Annotated[str | None, SAME_COST] = None
    loss: Annotated[str, read_by("train", "study")] = "squared"
    loss_arguments: Annotated[dict[str, Any], read_by("train", "study")] = Field(default_factory=dict)
    clip: Literal["range"] | None = "range"
    class_weights: Annotated[Literal["equal", "balanced"], read_by("train", "study")] = "equal"
    focal: Annotated[float, read_by("train", "study")] = Field(default=0.0, ge=0.0)
    metrics: Annotated[tuple[OwnPath, ...], BeforeValidator(as_tuple), read_by("evaluate"), RESOLVED] = ()

    @property
    def own_loss(self) -> str | None:
        """The path of a loss of the user's own."""
        return self.loss if is_own(self.loss) else None

    @field_validator("loss")
    @classmethod
    def _known(cls, loss: str) -> str:
        return known("loss", loss, get_args(RegressionLoss))

    @model_validator(mode="after")
    def _consistent(self) -> "TaskSettings":
        if (self.own_loss or self.metrics) and self.kind not in _OWN_PARTS:
            raise ValueError(f"losses and metrics of your own are for {', '.join(_OWN_PARTS)}; this one is {self.kind}")
        if self.loss_arguments and not self.own_loss:
            raise ValueError(f"loss={self.loss} takes no loss_arguments: leave them out")
        if self.own_loss and self.focal:
            raise ValueError("focal is for the built-in cross-entropy: leave it out, or the loss of your own")
        if self.loss != "squared" and not self.own_loss and self.kind != "regression":
            raise ValueError(f"loss={self.loss} is for regression tasks; this one is {self.kind}")
        if self.clip is None and self.kind != "regression":
            raise ValueError(f"clip=null is for regression tasks; this one is {self.kind}")
        if self.kind == "regression" and (self.class_weights != "equal" or self.focal):
            raise ValueError("class_weights and focal are for tasks with classes or labels; this one is regression")
        return self
