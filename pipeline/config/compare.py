"""Settings of `headway compare`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from pipeline.config.balancing import Balancing
from pipeline.config.base import Settings, as_tuple
from pipeline.config.limits import REPEATS, ROWS

EQUAL, TUNED = "equal", "tuned"
"""The arms that all others are compared with: equal task weights, and searched ones."""

DEFAULT = ("fixed", "random", "uncertainty", "famo", "mgda", "cagrad", "imtl_g", "upgrad")


def _names(value: Any) -> Any:
    """Split `a,b`, as given on the command line, into names."""
    if isinstance(value, str) and value != "all":
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return as_tuple(value)


class CompareSettings(Settings):
    """Settings of the comparison of balancing methods.

    Attributes:
        methods: Names of methods, or `all` that are possible with the tasks. Single-task networks, equal, tuned and
            random weights are always compared.
        seeds: Overrides `tuning.replicates` in the comparison; null does not.
        trials: Overrides `tuning.trials` in the comparison; null does not.
    """

    methods: Annotated[Literal["all"] | tuple[str, ...], BeforeValidator(_names)] = DEFAULT
    seeds: Annotated[int, REPEATS] | None = None
    trials: Annotated[int, Field(ge=1), ROWS] | None = None

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
            raise ValueError(f"{seeds} gives no interval, so no difference could be significant: give at least 2")
        return seeds
