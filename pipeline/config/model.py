"""What an experiment may say about its network."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from pipeline.config.base import Settings, Widths

Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
Activation = Literal["relu", "gelu", "silu", "tanh"]
Norm = Literal["none", "batch", "batch_per_source", "layer"]


def _positive(widths: tuple[int, ...]) -> tuple[int, ...]:
    if any(width < 1 for width in widths):
        raise ValueError("every width is at least 1")
    return widths


class TrunkSettings(Settings):
    """The shared layers: for each width a linear layer, the norm, the activation, dropout.

    Attributes:
        kind: `mlp`, a multi-layer perceptron; `tabular`, the same behind an embedding of every number of a table.
            Categories of a table are embedded by either.
        widths: Units of each hidden layer.
        activation: Applied after each hidden layer.
        norm: `batch` takes its statistics over all sources of a step, `batch_per_source` over each apart.
        dropout: Probability that a hidden unit is dropped in training, in [0, 1).
        embedding: Values of the embedding of a category.
        number_embedding: Values of the embedding of a number, of a `tabular` trunk.
    """

    kind: Literal["mlp", "tabular"] = "mlp"
    widths: Widths = (128,)
    activation: Activation = "relu"
    norm: Norm = "none"
    dropout: Rate = 0.5
    embedding: int = Field(default=8, ge=1)
    number_embedding: int = Field(default=8, ge=1)

    _widths = field_validator("widths")(_positive)


class HeadSettings(Settings):
    """A task's own layers. `head: linear` is short for `{kind: linear}`.

    Attributes:
        kind: `linear`, or `mlp` with hidden layers before the output.
        widths: Units of each hidden layer of an `mlp` head.
        dropout: Probability that a hidden unit of the head is dropped in training, in [0, 1).
    """

    kind: Literal["linear", "mlp"] = "linear"
    widths: Widths = ()
    dropout: Rate = 0.0

    _widths = field_validator("widths")(_positive)


def _short_head(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class ModelSettings(Settings):
    """The network: `shared` has one trunk under all heads, `separate` one network a task."""

    sharing: Literal["shared", "separate"] = "shared"
    trunk: TrunkSettings = TrunkSettings()
    head: Annotated[HeadSettings, BeforeValidator(_short_head)] = HeadSettings()
