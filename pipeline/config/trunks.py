"""The trunks, which are the shared layers, each with its own settings."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.config.base import Widths
from pipeline.config.facts import PER_SLOT
from pipeline.config.limits import PARTS, WIDTH
from pipeline.config.own import OwnPath
from pipeline.config.parts import Part

Rate = Annotated[float, Field(ge=0.0, lt=1.0), PER_SLOT]
Activation = Literal["relu", "gelu", "silu", "tanh"]
Norm = Literal["none", "batch", "batch_per_source", "layer"]


def _positive(widths: tuple[int, ...]) -> tuple[int, ...]:
    if any(width < 1 for width in widths):
        raise ValueError("every width is at least 1")
    return widths


Positives = Annotated[Widths, AfterValidator(_positive), Field(max_length=1024)]


class Trunk(Part):
    """The shared layers. `trunk: lenet` is short for `{kind: lenet}`.

    Attributes:
        kind: The kind of trunk.
        dropout: Probability that a hidden unit is dropped in training, in [0, 1); for trunks without hidden layers of
            their own, that of a unit of the trunk's output.
        text: Whether it reads text only.
        accepts_appended: Whether values can be appended to its input rows, because it is built for rows of any size.
        embeds: Whether it embeds the columns of a table, and ignores the shape of a row.
        module: The network of a trunk that is one `torch.nn.Module`, as `package.module:Class`; else empty.
    """

    part = "trunk"
    default = "mlp"

    kind: str
    dropout: Rate = 0.5

    text: ClassVar[bool] = False
    accepts_appended: ClassVar[bool] = False
    embeds: ClassVar[bool] = False
    module: ClassVar[str] = ""

    @classmethod
    def modules(cls) -> set[str]:
        """See `Part`: those of its network of torch, too."""
        return super().modules() | ({cls.module.partition(":")[0]} if cls.module else set())

    @property
    def layered(self) -> bool:
        """Whether it has any layer."""
        return True

    @property
    def per_source(self) -> bool:
        """Whether batch norm has separate statistics for each source."""
        return getattr(self, "norm", "none") == "batch_per_source"


class MLP(Trunk):
    """An MLP: a linear layer, norm, activation and dropout per width; categories of a table are embedded.

    Attributes:
        widths: Units of each hidden layer.
        activation: Applied after each hidden layer.
        norm: `batch` has statistics over all sources of a step, `batch_per_source` for each source.
        embedding: Size of the embedding of a category.
    """

    implementation = "pipeline.model.trunks.mlp:mlp"
    accepts_appended = True
    embeds = True

    kind: Literal["mlp"]
    widths: Positives = (128,)
    activation: Activation = "relu"
    norm: Norm = "none"
    embedding: Annotated[int, WIDTH] = Field(default=8, ge=1)

    @property
    def layered(self) -> bool:
        """Whether it has any layer."""
        return bool(self.widths)


class Tabular(MLP):
    """As `mlp`, with every number of a table embedded too.

    Attributes:
        number_embedding: Size of the embedding of a number.
    """

    kind: Literal["tabular"]  # type: ignore[assignment]
    number_embedding: Annotated[int, WIDTH] = Field(default=8, ge=1)

    @property
    def layered(self) -> bool:
        """Whether it has any layer."""
        return True


class ResidualMLP(Trunk):
    """A residual MLP (Gorishniy et al. 2021); categories of a table are embedded.

    Attributes:
        widths: The trunk's width, then the hidden units of each block.
        activation: Activation within each block.
        norm: `batch` has statistics over all sources of a step, `batch_per_source` for each source.
        embedding: Size of the embedding of a category.
    """

    implementation = "pipeline.model.trunks.residual:residual"
    accepts_appended = True
    embeds = True

    kind: Literal["residual"]
    widths: Positives = (128, 256, 256)
    activation: Activation = "relu"
    norm: Norm = "batch"
    embedding: Annotated[int, WIDTH] = Field(default=8, ge=1)

    @model_validator(mode="after")
    def _has_widths(self) -> "ResidualMLP":
        if not self.widths:
            raise ValueError("trunk 'residual' needs widths: its own, then the hidden units of each block")
        return self


class LeNet(Trunk):
    """Two convolutions with pooling, then hidden layers, for small images (LeCun et al. 1998).

    Attributes:
        channels: Channels of the two convolutions.
        widths: Units of each hidden layer.
        activation: Activation after each layer.
    """

    implementation = "pipeline.model.trunks.lenet:lenet"
    accepts_appended = True

    kind: Literal["lenet"]
    channels: Positives = (6, 16)
    widths: Positives = (120, 84)
    activation: Activation = "relu"

    @model_validator(mode="after")
    def _has_two(self) -> "LeNet":
        if len(self.channels) != 2:
            raise ValueError(f"trunk 'lenet' has two convolutions: give two channels, not {len(self.channels)}")
        return self


class ResNet(Trunk):
    """A small residual network for images (He et al. 2015).

    Attributes:
        channels: Channels of each stage, which has half the height and width of the one before.
        blocks: Residual blocks per stage.
        activation: Activation after each layer.
        norm: `batch` or `batch_per_source`.
    """

    implementation = "pipeline.model.trunks.resnet:resnet"
    accepts_appended = True

    kind: Literal["resnet"]
    channels: Positives = (16, 32, 64)
    blocks: Annotated[int, PARTS] = Field(default=1, ge=1)
    activation: Activation = "relu"
    norm: Norm = "batch"

    @model_validator(mode="after")
    def _consistent(self) -> "ResNet":
        if not self.channels:
            raise ValueError("trunk 'resnet' needs channels: those of each stage")
        if not self.norm.startswith("batch"):
            raise ValueError("trunk 'resnet' is built with batch norm: norm is batch or batch_per_source")
        return self


class Torchvision(Trunk):
    """A classification network of torchvision.

    Attributes:
        network: Name of the network, such as `resnet18`.
        weights: Initial weights: null for random ones, `default` for torchvision's, which are downloaded, or a file of
            a state dict (.pth or .safetensors).
        arguments: Keyword arguments of the network.
        widths: One width, that of the last layer.
        activation: Activation after the last layer.
    """

    implementation = "pipeline.model.trunks.torchvision:torchvision"

    kind: Literal["torchvision"]
    network: str | None = None
    weights: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    widths: Positives = (128,)
    activation: Activation = "relu"

    @model_validator(mode="after")
    def _consistent(self) -> "Torchvision":
        if self.network is None:
            raise ValueError(
                "trunk 'torchvision' needs network: the name of a classification network, such as resnet18"
            )
        if len(self.widths) != 1:
            raise ValueError(f"trunk 'torchvision' has one width, that of its last layer; found {len(self.widths)}")
        return self


class TextTrunk(Trunk):
    """Trunks that embed tokens.

    Attributes:
        embedding: Size of the embedding of a token.
        widths: Widths of the layers.
    """

    implementation = "pipeline.model.trunks.text:text"
    text = True

    embedding: Annotated[int, WIDTH] = Field(default=64, ge=1)
    widths: Positives = (96,)

    @model_validator(mode="after")
    def _has_widths(self) -> "TextTrunk":
        if not self.widths:
            raise ValueError(f"trunk '{self.kind}' needs an embedding and at least one width")
        return self


class Recurrent(TextTrunk):
    """Bidirectional recurrent layers for text.

    Attributes:
        widths: Units of each layer in each direction.
    """

    module = "pipeline.model.modules.text:Recurrent"

    kind: Literal["lstm", "gru"]


class Transformer(TextTrunk):
    """Transformer encoder blocks for text.

    Attributes:
        embedding: Size of the embedding of a token, a multiple of twice the number of heads.
        heads: Attention heads of each block.
        widths: Hidden units of each block's feed-forward layers.
    """

    module = "pipeline.model.modules.text:Transformer"

    kind: Literal["transformer"]
    embedding: Annotated[int, WIDTH] = Field(default=96, ge=1)
    heads: Annotated[int, PARTS] = Field(default=4, ge=1)
    widths: Positives = (192, 192)

    @model_validator(mode="after")
    def _divides(self) -> "Transformer":
        if self.embedding % (2 * self.heads):
            raise ValueError(
                "trunk 'transformer' needs an embedding that 2 * heads divides; "
                f"found {self.embedding} and {self.heads}"
            )
        return self


class HuggingFace(Trunk):
    """A pretrained text encoder with its own tokenizer.

    Attributes:
        dropout: Dropout probability of the encoder's hidden units; its attention dropout is as in its configuration.
        model: Folder of an encoder in Hugging Face's layout (config.json, tokenizer, safetensors), or its name on the
            Hub, from which it is downloaded.
        frozen: Whether the encoder is frozen, so that only the heads are trained.
    """

    implementation = "pipeline.model.trunks.huggingface:huggingface"
    module = "pipeline.model.modules.pretrained:Encoder"
    text = True

    kind: Literal["huggingface"]
    dropout: Rate = 0.1
    model: str | None = None
    frozen: bool = False

    @model_validator(mode="after")
    def _has_model(self) -> "HuggingFace":
        if self.model is None:
            raise ValueError("trunk 'huggingface' needs model: the folder of an encoder, or its name on the Hub")
        return self


class ModuleTrunk(Trunk):
    """Trunks that are one `torch.nn.Module` for rows of any size; categories of a table are embedded.

    Attributes:
        embedding: Size of the embedding of a category.
    """

    implementation = "pipeline.model.trunks.module:built_in"
    embeds = True

    embedding: Annotated[int, WIDTH] = Field(default=8, ge=1)

    def module_settings(self) -> dict[str, Any]:
        """The keyword arguments of the module: all settings but those that are applied around it."""
        return self.model_dump(mode="json", exclude={"kind", "dropout", "embedding"})


class DCNV2(ModuleTrunk):
    """Crosses of a table's values with each other, under hidden layers (DCN-V2, stacked; Wang et al. 2021).

    Attributes:
        embedding: See `ModuleTrunk`.
        crosses: Cross layers.
        widths: Units of each hidden layer above, with ReLU and dropout.
    """

    module = "pipeline.model.modules.dcn_v2:CrossNetwork"

    kind: Literal["dcn_v2"]
    crosses: Annotated[int, PARTS] = Field(default=3, ge=1)
    widths: Positives = (128,)


class OwnTrunk(Trunk):
    """A user's own module, whose input has the source's shape.

    Attributes:
        kind: The module's class, as `package.module:Class`.
        arguments: Keyword arguments of the class.
    """

    implementation = "pipeline.model.trunks.module:module"

    kind: OwnPath
    arguments: dict[str, Any] = Field(default_factory=dict)


Trunk.own = OwnTrunk
