"""What an experiment may say about comparing ways to choose its task weights."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from pipeline.config.balancing import Balancing
from pipeline.config.base import Settings, as_tuple

EQUAL, TUNED = "equal", "tuned"
"""The arms that all arms are held against: equal task weights, and searched ones."""

DEFAULT = ("fixed", "random", "uncertainty", "famo", "mgda", "cagrad", "imtl_g", "upgrad")


def _names(value: Any) -> Any:
    """`a,b` as the names a and b, as a command line gives them."""
    if isinstance(value, str) and value != "all":
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return as_tuple(value)


class CompareSettings(Settings):
    """How `headway compare` holds the balancing methods against each other.

    Attributes:
        methods: `all` that the tasks admit, or names. Single-task networks, equal, tuned and random weights are always
            compared.
        seeds: Another name of `tuning.replicates`, where a comparison takes another number; null takes that.
        trials: Another name of `tuning.trials`, likewise.
    """

    methods: Annotated[Literal["all"] | tuple[str, ...], BeforeValidator(_names)] = DEFAULT
    seeds: int | None = None
    trials: Annotated[int, Field(ge=1)] | None = None

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if methods == "all":
            return methods
        for method in methods:
            Balancing.choice(method)
        return tuple(dict.fromkeys(methods))

    @field_validator("seeds")
    @classmethod
    def _interval(cls, seeds: int | None) -> int | None:
        if seeds is not None and seeds < 2:
            raise ValueError(f"{seeds} gives no interval, so nothing could be told from noise: give at least 2")
        return seeds
