"""The ways in which tasks share a network, each with its own settings."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.config.limits import PARTS
from pipeline.config.parts import Part


class Sharing(Part):
    """How tasks share the trunk. `sharing: mmoe` is short for `{kind: mmoe}`.

    Attributes:
        kind: The way of sharing.
        shares: Whether the tasks have layers in common.
        plain: Whether each trunk is used as it is, by all tasks or by one.
    """

    part = "sharing"
    default = "shared"

    kind: str

    shares: ClassVar[bool] = True
    plain: ClassVar[bool] = False


class Shared(Sharing):
    """One trunk under all heads."""

    plain = True

    kind: Literal["shared"]


class Separate(Sharing):
    """One network per task."""

    shares = False
    plain = True

    kind: Literal["separate"]


class CrossStitch(Sharing):
    """Cross-stitch: one trunk per task, mixed after each layer (Misra et al. 2016).

    Attributes:
        own_share: Initial weight of a task's own trunk in the mixture; the other trunks share the rest.
    """

    implementation = "pipeline.model.sharing.cross_stitch:cross_stitch"

    kind: Literal["cross_stitch"]
    own_share: float = Field(default=0.9, ge=0.0, le=1.0)


class MMoE(Sharing):
    """MMoE: trunks as experts, mixed by one gate per task (Ma et al. 2018).

    Attributes:
        experts: Number of experts.
    """

    implementation = "pipeline.model.sharing.mmoe:mmoe"

    kind: Literal["mmoe"]
    experts: Annotated[int, PARTS] = Field(default=4, ge=0)

    @model_validator(mode="after")
    def _enough(self) -> "MMoE":
        if self.experts < 1:
            raise ValueError(f"sharing '{self.kind}' needs at least one expert")
        return self


class CGC(Sharing):
    """CGC: as `mmoe`, with task-specific experts beside the shared ones (Tang et al. 2020).

    Attributes:
        experts: Number of shared experts.
        own_experts: Number of experts of each task.
    """

    implementation = "pipeline.model.sharing.ple:cgc"

    kind: Literal["cgc"]
    experts: Annotated[int, PARTS] = Field(default=2, ge=0)
    own_experts: Annotated[int, PARTS] = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _enough(self) -> "CGC":
        if self.experts + self.own_experts < 1:
            raise ValueError(f"sharing '{self.kind}' needs at least one expert")
        return self


class PLE(CGC):
    """PLE: as `cgc`, with experts and gates at each layer of the trunk (Tang et al. 2020).

    Attributes:
        experts: Number of shared experts at each layer.
        own_experts: Number of experts of each task at each layer.
    """

    implementation = "pipeline.model.sharing.ple:ple"

    kind: Literal["ple"]  # type: ignore[assignment]


class DSelectK(MMoE):
    """DSelect-k: as `mmoe`, with gates that become sparse in training (Hazimeh et al. 2021).

    Attributes:
        experts: Number of experts, a power of 2.
        chosen: Largest number of experts that a task selects.
        smoothing: Width of the smooth step from 0 to 1; a smaller one becomes binary earlier.
    """

    implementation = "pipeline.model.sharing.dselect_k:dselect_k"

    kind: Literal["dselect_k"]  # type: ignore[assignment]
    chosen: Annotated[int, PARTS] = Field(default=2, ge=1)
    smoothing: float = Field(default=1.0, gt=0.0)

    @model_validator(mode="after")
    def _in_bits(self) -> "DSelectK":
        if self.experts.bit_count() != 1:
            raise ValueError(
                f"sharing 'dselect_k' numbers its experts in bits: a power of 2, not experts={self.experts}"
            )
        return self


class MTAN(Sharing):
    """MTAN: one trunk, with an attention mask per task at each layer (Liu et al. 2019).

    Attributes:
        bottleneck: Hidden units or channels of an attention module, as a multiple of those of its layer.
    """

    implementation = "pipeline.model.sharing.mtan:mtan"

    kind: Literal["mtan"]
    bottleneck: float = Field(default=1.0, gt=0.0, le=64.0)
