"""What an experiment may say of how its tasks share a network."""

from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from pipeline.config.base import unknown
from pipeline.config.kinds import OfKind

PLAIN = ("shared", "separate")
"""Kinds under which a trunk is one trunk: of all tasks, or of one."""


class SharingSettings(OfKind):
    """Which parts of the trunk are whose. `sharing: mmoe` is short for `{kind: mmoe}`.

    Attributes:
        kind: `shared`: one trunk under all heads. `separate`: one network a task. `cross_stitch`: a trunk a task, mixed
            after each layer (Misra et al. 2016). `mmoe`: trunks as experts, mixed by a gate a task (Ma et al. 2018).
            `cgc`: the same with experts of each task's own beside those of all; `ple`: the same after each layer of the
            trunk (both Tang et al. 2020). `dselect_k`: as `mmoe`, with gates that come to choose a few experts (Hazimeh
            et al. 2021). `mtan`: one trunk, of whose every layer a task reads what its own attention lets through (Liu
            et al. 2019).
        experts: Trunks that all tasks may use.
        own_experts: Of `cgc` and `ple`: trunks for each task that no other task uses.
        chosen: Of `dselect_k`: how many experts a task chooses at most.
        smoothing: Of `dselect_k`: how wide a range of a bit's logit lies between 0 and 1; smaller decides sooner.
        own_share: Of `cross_stitch`: what a task begins with of its own trunk; the others have the rest.
        bottleneck: Of `mtan`: hidden units or channels of an attention, in times those of the layer it looks at.
    """

    _part = "sharing"
    _used: ClassVar = {
        "shared": (),
        "separate": (),
        "cross_stitch": ("own_share",),
        "mmoe": ("experts",),
        "cgc": ("experts", "own_experts"),
        "ple": ("experts", "own_experts"),
        "dselect_k": ("experts", "chosen", "smoothing"),
        "mtan": ("bottleneck",),
    }
    _own: ClassVar = {"cgc": {"experts": 2}, "ple": {"experts": 2}}

    kind: str = "shared"
    experts: int = Field(default=4, ge=0)
    own_experts: int = Field(default=1, ge=0)
    chosen: int = Field(default=2, ge=1)
    smoothing: float = Field(default=1.0, gt=0.0)
    own_share: float = Field(default=0.9, ge=0.0, le=1.0)
    bottleneck: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind in cls._used:
            return kind
        raise unknown("sharing", kind, cls._used, ", ".join(cls._used))

    @model_validator(mode="after")
    def _has_experts(self) -> "SharingSettings":
        own = self.own_experts if "own_experts" in self._used[self.kind] else 0
        if "experts" in self._used[self.kind] and self.experts + own < 1:
            raise ValueError(f"sharing '{self.kind}' needs at least one expert")
        if self.kind == "dselect_k" and self.experts.bit_count() != 1:
            raise ValueError(
                f"sharing 'dselect_k' numbers its experts in bits: a power of 2, not experts={self.experts}"
            )
        return self


KINDS = tuple(SharingSettings._used)
"""Every way to share."""
