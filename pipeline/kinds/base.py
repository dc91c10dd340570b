"""What is defined of a kind of task."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Form = Literal["classes", "labels", "numbers", "tags"]
Activation = Literal["softmax", "sigmoid", "identity"]
_PACKAGE = __name__.removesuffix(".kinds.base")  # of a copy in a model package, that copy


@dataclass(frozen=True)
class Kind:
    """A kind of task. What implements a concern is named as `module:name` within this package, see `load`.

    Attributes:
        form: Of the targets: a class a row, several labels a row, a number a row, or a tag a token.
        activation: What makes predictions of the outputs.
        primary: The metric that decides: higher is better and 1 is perfect, so that a mean over tasks makes sense.
        losses: Subclasses of `pipeline.model.losses.Loss` by the name that an experiment gives them.
        tally: Subclass of `pipeline.training.tallies.Tally`: what is measured while training.
        scorer: Measures everything, see `pipeline.analysis.scores`.
        decision: What is predicted from outputs, see `pipeline.serving.decisions`.
        constant: Makes the constant prediction, see `pipeline.analysis.references.constant`.
        gate: Measures the primary metric of the served model's predictions, see `pipeline.steps.gate`.
        single: A row has one output, however many classes there are.
        two_classes: Its targets have two classes, no more and no fewer.
        thresholds: Validation chooses a threshold of each label.
    """

    form: Form
    activation: Activation
    primary: str
    losses: Mapping[str, str]
    tally: str
    scorer: str
    decision: str
    constant: str
    gate: str
    single: bool = False
    two_classes: bool = False
    thresholds: bool = False

    @property
    def per_token(self) -> bool:
        """Whether every token of a row has a target of its own."""
        return self.form == "tags"

    @property
    def is_number(self) -> bool:
        """Whether targets are numbers with a unit, and there are no classes."""
        return self.form == "numbers"

    def outputs(self, classes: int) -> int:
        """C, the values that a network has for a row or a token."""
        return 1 if self.single else classes

    @staticmethod
    def module(path: str) -> str:
        """The module that implements a concern."""
        return f"{_PACKAGE}.{path.partition(':')[0]}"

    def load(self, path: str) -> Any:
        """What implements a concern; its module is imported."""
        return pkgutil.resolve_name(f"{_PACKAGE}.{path}")


@cache
def kind_of(name: str) -> Kind:
    """The definition of a kind.

    Raises:
        ModuleNotFoundError: There is none of that name.
    """
    return pkgutil.resolve_name(f"{_PACKAGE}.kinds.{name}:KIND")
