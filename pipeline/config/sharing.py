"""What an experiment may say of how its tasks share a network: each way with its own settings."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.config.parts import Part


class Sharing(Part):
    """Which parts of the trunk are whose. `sharing: mmoe` is short for `{kind: mmoe}`.

    Attributes:
        kind: The way to share.
        plain: Whether a trunk is one trunk: of all tasks, or of one.
    """

    part = "sharing"
    default = "shared"

    kind: str

    plain: ClassVar[bool] = False


class Shared(Sharing):
    """One trunk under all heads."""

    plain = True

    kind: Literal["shared"]


class Separate(Sharing):
    """One network a task."""

    plain = True

    kind: Literal["separate"]


class CrossStitch(Sharing):
    """A trunk a task, mixed after each layer (Misra et al. 2016).

    Attributes:
        own_share: What a task begins with of its own trunk; the others have the rest.
    """

    implementation = "pipeline.model.sharing.cross_stitch:cross_stitch"

    kind: Literal["cross_stitch"]
    own_share: float = Field(default=0.9, ge=0.0, le=1.0)


class MMoE(Sharing):
    """Trunks as experts, mixed by a gate a task (Ma et al. 2018).

    Attributes:
        experts: Trunks that all tasks may use.
    """

    implementation = "pipeline.model.sharing.mmoe:mmoe"

    kind: Literal["mmoe"]
    experts: int = Field(default=4, ge=0)

    @model_validator(mode="after")
    def _enough(self) -> "MMoE":
        if self.experts < 1:
            raise ValueError(f"sharing '{self.kind}' needs at least one expert")
        return self


class CGC(Sharing):
    """As `mmoe`, with experts of each task's own beside those of all (Tang et al. 2020).

    Attributes:
        experts: Trunks that all tasks may use.
        own_experts: Trunks for each task that no other task uses.
    """

    implementation = "pipeline.model.sharing.ple:cgc"

    kind: Literal["cgc"]
    experts: int = Field(default=2, ge=0)
    own_experts: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _enough(self) -> "CGC":
        if self.experts + self.own_experts < 1:
            raise ValueError(f"sharing '{self.kind}' needs at least one expert")
        return self


class PLE(CGC):
    """As `cgc`, after each layer of the trunk (Tang et al. 2020).

    Attributes:
        experts: See `CGC`.
        own_experts: See `CGC`.
    """

    implementation = "pipeline.model.sharing.ple:ple"

    kind: Literal["ple"]  # type: ignore[assignment]


class DSelectK(MMoE):
    """As `mmoe`, with gates that come to choose a few experts (Hazimeh et al. 2021).

    Attributes:
        experts: See `MMoE`; a power of 2.
        chosen: How many experts a task chooses at most.
        smoothing: How wide a range of a bit's logit lies between 0 and 1; smaller decides sooner.
    """

    implementation = "pipeline.model.sharing.dselect_k:dselect_k"

    kind: Literal["dselect_k"]  # type: ignore[assignment]
    chosen: int = Field(default=2, ge=1)
    smoothing: float = Field(default=1.0, gt=0.0)

    @model_validator(mode="after")
    def _in_bits(self) -> "DSelectK":
        if self.experts.bit_count() != 1:
            raise ValueError(
                f"sharing 'dselect_k' numbers its experts in bits: a power of 2, not experts={self.experts}"
            )
        return self


class MTAN(Sharing):
    """One trunk, of whose every layer a task reads what its own attention lets through (Liu et al. 2019).

    Attributes:
        bottleneck: Hidden units or channels of an attention, in times those of the layer it looks at.
    """

    implementation = "pipeline.model.sharing.mtan:mtan"

    kind: Literal["mtan"]
    bottleneck: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)
