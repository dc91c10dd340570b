"""Settings of the network: its trunk, its heads, and how tasks share the trunk."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from pipeline.config.base import Settings
from pipeline.config.own import OwnPath
from pipeline.config.parts import Part
from pipeline.config.sharing import Sharing
from pipeline.config.trunks import Positives, Rate, Trunk


class Head(Part):
    """A task's own layers after the trunk. `head: linear` is short for `{kind: linear}`."""

    part = "head"
    default = "linear"

    kind: str


class LinearHead(Head):
    """One linear layer."""

    kind: Literal["linear"]


class MLPHead(Head):
    """Hidden layers before the output.

    Attributes:
        widths: Units of each hidden layer.
        dropout: Probability that a hidden unit of the head is dropped in training, in [0, 1).
    """

    kind: Literal["mlp"]
    widths: Positives = ()
    dropout: Rate = 0.0


class OwnHead(Head):
    """A user's own module, made with `inputs` and `outputs`; it maps [B, inputs] to logits [B, outputs].

    Attributes:
        kind: The module's class, as `package.module:Class`.
        arguments: Further keyword arguments of the class.
    """

    kind: OwnPath
    arguments: dict[str, Any] = Field(default_factory=dict)


Head.own = OwnHead


class ModelSettings(Settings):
    """The network: a trunk, one head per task, and how tasks share the trunk."""

    sharing: Annotated[SerializeAsAny[Sharing], BeforeValidator(Sharing.of)] = Sharing.of("shared")
    trunk: Annotated[SerializeAsAny[Trunk], BeforeValidator(Trunk.of)] = Trunk.of("mlp")
    head: Annotated[SerializeAsAny[Head], BeforeValidator(Head.of)] = Head.of("linear")
