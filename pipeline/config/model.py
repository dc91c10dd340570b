"""What an experiment may say about its network."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.config.base import Settings, Widths, shown
from pipeline.config.kinds import OfKind, short
from pipeline.config.own import is_own, known
from pipeline.config.sharing import SharingSettings

Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
Activation = Literal["relu", "gelu", "silu", "tanh"]
Norm = Literal["none", "batch", "batch_per_source", "layer"]


def _positive(widths: tuple[int, ...]) -> tuple[int, ...]:
    if any(width < 1 for width in widths):
        raise ValueError("every width is at least 1")
    return widths


OF_TEXT = ("lstm", "gru", "transformer", "huggingface")
"""Trunks that read text and nothing else."""

WIDENED = ("mlp", "tabular", "residual", "lenet", "resnet")
"""Trunks that are built for rows of any size, so that something can be appended to them."""


class TrunkSettings(OfKind):
    """The shared layers. `trunk: lenet` is short for `{kind: lenet}`.

    Attributes:
        kind: `mlp`: for each width a linear layer, the norm, the activation, dropout. `tabular`: the same behind an
            embedding of every number of a table; categories of a table are embedded by mlp and residual too.
            `residual`: a residual MLP of rows (Gorishniy et al. 2021). `lenet`: two convolutions with pooling, then
            hidden layers, for small images (LeCun et al. 1998). `resnet`: a small residual network of images (He et al.
            2015). `torchvision`: a classification network of torchvision. `lstm`, `gru`: of text, recurrent in both
            directions. `transformer`: of text, blocks of self-attention. `huggingface`: of text, a pretrained encoder
            with its own tokenizer. `package.module:Class`: a module of one's own, which takes rows of the source's
            shape.
        widths: Units of each hidden layer. Of `residual`: the trunk's width, then the hidden units of each block. Of
            `torchvision`: one, the width of its last layer. Of `lstm` and `gru`: in each direction. Of `transformer`:
            the hidden units of each block.
        activation: Applied after each hidden layer.
        norm: `batch` takes its statistics over all sources of a step, `batch_per_source` over each apart.
        dropout: Probability that a hidden unit is dropped in training, in [0, 1); of kinds without hidden layers, a
            unit of the trunk's answer. Of `huggingface`, of every hidden unit that the encoder may drop; what it drops
            of its attention is its own affair.
        channels: Of `lenet`, those of its two convolutions; of `resnet`, those of its stages, each half the size of
            the one before.
        blocks: Residual blocks of each stage of `resnet`.
        network: Of `torchvision`, such as `resnet18`.
        weights: Where `torchvision` begins: null for random values, `default` for torchvision's own, which are
            downloaded, or a file of a state dict (.pth or .safetensors).
        heads: Of each block of a `transformer`.
        model: Of `huggingface`, the folder of an encoder of text in Hugging Face's layout (config.json, tokenizer,
            safetensors), or the name of one on the Hub, which is downloaded.
        frozen: Whether an encoder of `huggingface` stays as it is, and the heads alone are trained.
        arguments: Keyword arguments of the torchvision network or of one's own module.
        embedding: Values of the embedding of a category of a table, or of a token.
        number_embedding: Of `tabular`, values of the embedding of a number.
    """

    _part = "trunk"
    _always = ("kind", "dropout")
    _used: ClassVar = {
        "mlp": ("widths", "activation", "norm", "embedding"),
        "tabular": ("widths", "activation", "norm", "embedding", "number_embedding"),
        "residual": ("widths", "activation", "norm", "embedding"),
        "lenet": ("channels", "widths", "activation"),
        "resnet": ("channels", "blocks", "activation", "norm"),
        "torchvision": ("network", "weights", "arguments", "widths", "activation"),
        "lstm": ("embedding", "widths"),
        "gru": ("embedding", "widths"),
        "transformer": ("embedding", "heads", "widths"),
        "huggingface": ("model", "frozen"),
        "": ("arguments",),
    }
    _own: ClassVar = {
        "residual": {"widths": (128, 256, 256), "norm": "batch"},
        "lenet": {"channels": (6, 16), "widths": (120, 84)},
        "resnet": {"channels": (16, 32, 64), "norm": "batch"},
        "lstm": {"embedding": 64, "widths": (96,)},
        "gru": {"embedding": 64, "widths": (96,)},
        "transformer": {"embedding": 96, "heads": 4, "widths": (192, 192)},
        "huggingface": {"dropout": 0.1},
    }
    _needed: ClassVar = {"torchvision": {"network": ""}, "huggingface": {"model": ""}}

    kind: str = "mlp"
    widths: Widths = (128,)
    activation: Activation = "relu"
    norm: Norm = "none"
    dropout: Rate = 0.5
    channels: Widths = ()
    blocks: int = Field(default=1, ge=1)
    network: str | None = None
    weights: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    heads: int = Field(default=0, ge=0)
    model: str | None = None
    frozen: bool = False
    embedding: int = Field(default=8, ge=1)
    number_embedding: int = Field(default=8, ge=1)

    _widths = field_validator("widths", "channels")(_positive)

    @property
    def module(self) -> str | None:
        """The path of a module of the user's own."""
        return self.kind if is_own(self.kind) else None

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        return known("trunk", kind, [it for it in cls._used if it])

    @model_validator(mode="after")
    def _consistent(self) -> "TrunkSettings":
        if problem := _wrong(self):
            raise ValueError(f"trunk '{self.kind}' {problem}")
        return self


def _wrong(trunk: TrunkSettings) -> str | None:
    """What a kind asks of its settings and does not get."""
    match trunk.kind:
        case "residual" if not trunk.widths:
            return "needs widths: its own, then the hidden units of each block"
        case "lenet" if len(trunk.channels) != 2:
            return f"has two convolutions: give two channels, not {len(trunk.channels)}"
        case "resnet" if not trunk.channels:
            return "needs channels: those of each stage"
        case "resnet" if not trunk.norm.startswith("batch"):
            return "is built with batch norm: norm is batch or batch_per_source"
        case "torchvision" if trunk.network is None:
            return "needs network: the name of a classification network, such as resnet18"
        case "torchvision" if len(trunk.widths) != 1:
            return f"has one width, that of its last layer; found {len(trunk.widths)}"
        case "huggingface" if trunk.model is None:
            return "needs model: the folder of an encoder, or its name on the Hub"
        case "lstm" | "gru" | "transformer" if not trunk.widths or not trunk.embedding:
            return "needs an embedding and at least one width"
        case "transformer" if not trunk.heads or trunk.embedding % (2 * trunk.heads):
            return f"needs an embedding that 2 * heads divides; found {trunk.embedding} and {trunk.heads}"
    return None


class HeadSettings(Settings):
    """A task's own layers. `head: linear` is short for `{kind: linear}`.

    Attributes:
        kind: `linear`, or `mlp` with hidden layers before the output. `package.module:Class`: a module of one's own,
            made with `inputs` and `outputs`, which takes [B, inputs] and answers logits [B, outputs].
        widths: Units of each hidden layer of an `mlp` head.
        dropout: Probability that a hidden unit of the head is dropped in training, in [0, 1).
        arguments: More keyword arguments of one's own module.
    """

    kind: str = "linear"
    widths: Widths = ()
    dropout: Rate = 0.0
    arguments: dict[str, Any] = Field(default_factory=dict)

    _widths = field_validator("widths")(_positive)

    @property
    def module(self) -> str | None:
        """The path of a module of the user's own."""
        return self.kind if is_own(self.kind) else None

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        return known("head", kind, ("linear", "mlp"))

    @model_validator(mode="after")
    def _consistent(self) -> "HeadSettings":
        for name in ("widths", "dropout") if self.module else ("arguments",):
            if value := getattr(self, name):
                raise ValueError(f"head '{self.kind}' does not use {name}={shown(value)}: leave it out")
        return self


class ModelSettings(Settings):
    """The network: a trunk, a head a task, and how the tasks share the one."""

    sharing: Annotated[SharingSettings, BeforeValidator(short)] = SharingSettings()
    trunk: Annotated[TrunkSettings, BeforeValidator(short)] = TrunkSettings()
    head: Annotated[HeadSettings, BeforeValidator(short)] = HeadSettings()
