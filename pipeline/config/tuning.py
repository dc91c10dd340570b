"""What an experiment may say about its search."""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.base import Settings, abbreviated
from pipeline.config.facts import RESOLVED, SECRET, WHOLE, read_by

_Positive = Annotated[float, Field(gt=0.0)]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

TRIALS_A_REPLICATE = 6
"""Of `trials: auto`, where time allows."""


def _bounds(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _values(value: Any) -> Any:
    """One value alone stands for a list of it; their order plays no part."""
    return tuple(sorted(value if isinstance(value, list | tuple) else [value], key=str))


_Values = Annotated[tuple[Any, ...], BeforeValidator(_values), Field(min_length=1)]


class _Dimension(Settings):
    """What every kind of dimension takes.

    Attributes:
        when: The dimension is searched only in trials in which each of these other keys of the space has this value, or
            one of these; in all others the setting keeps the experiment's own value. A value that is itself a list is
            written in a list, `[[64, 64]]`.
    """

    when: dict[str, _Values] = Field(default={}, exclude_if=lambda when: not when)


class FloatRange(_Dimension):
    """A real number in [low, high]; `log: true` searches its logarithm."""

    float: Annotated[tuple[float, float], BeforeValidator(_bounds)]
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "FloatRange":
        _check_bounds(*self.float, self.log)
        return self


class IntRange(_Dimension):
    """A whole number in [low, high]; `log: true` searches its logarithm."""

    int: Annotated[tuple[int, int], BeforeValidator(_bounds)]
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "IntRange":
        _check_bounds(*self.int, self.log)
        return self


class Choice(_Dimension):
    """One of several values, of any type that the setting takes."""

    choice: Annotated[tuple[Any, ...], BeforeValidator(_bounds)] = Field(min_length=1)


class Simplex(_Dimension):
    """One weight a task, uniform on the simplex. `simplex` alone is short for `{simplex: true}`."""

    simplex: Literal[True]


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"bounds are finite numbers, found [{low}, {high}]")
    if low > high:
        raise ValueError(f"the lower bound comes first, found [{low}, {high}]")
    if log and low <= 0:
        raise ValueError(f"a logarithmic range lies above 0, found [{low}, {high}]")


_KINDS: dict[str, type[Settings]] = {"float": FloatRange, "int": IntRange, "choice": Choice, "simplex": Simplex}


def _dimension(value: Any) -> Any:
    if isinstance(value, Settings):
        return value
    if value == "simplex":
        return Simplex(simplex=True)
    kinds = [kind for kind in _KINDS if isinstance(value, dict) and kind in value]
    if len(kinds) != 1:
        raise ValueError(
            f"a dimension is one of {', '.join(_KINDS)}, for example {{float: [0.0, 0.7]}}; found {abbreviated(value)}"
        )
    return _KINDS[kinds[0]].model_validate(value)


Dimension = Annotated[FloatRange | IntRange | Choice | Simplex, BeforeValidator(_dimension)]


def seconds(value: Any) -> Any:
    """Read `10m`, `90s`, `2h` or a plain number as seconds."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value)):
        return float(match[1]) * _UNITS[match[2]]
    if isinstance(value, str):
        raise ValueError(f"a time is a number of seconds, or a number and s, m, h or d such as 10m; found '{value}'")
    return value


def _default_space() -> dict[str, Any]:
    return {
        "balancing.weights": Simplex(simplex=True),
        "model.trunk.dropout": FloatRange(float=(0.0, 0.7)),
        "training.learning_rate": FloatRange(float=(1e-3, 2e-2), log=True),
    }


class TuningSettings(Settings):
    """The search. An arm is what has a study of its own: the shared network, each task alone, a method of weighting.

    Attributes:
        replicates: How often the whole procedure is repeated in every arm: trials of its own, its winner by validation,
            and the winner's settings trained once more from a fresh seed. What an interval counts (Bouthillier et al.
            2021, arXiv 2103.03098). null takes as many as `training.seeds`; 1 is one study that learns from all of its
            trials, and then nothing is known of the luck of tuning.
        trials: How many trials an arm's study has in all, a multiple of the replicates; a later, larger number
            continues it. `auto` takes six a replicate, or fewer where the whole job would take too long here.
        base: Dotted keys with values that are laid over the experiment in all tuned arms, such as
            `{training.schedule: one_cycle}`: the search then starts from these and not from the experiment as written.
        batch: Trials asked for together; they are trained side by side and told in number order.
        sampler: Optuna's TPE, Gaussian process, random or quasi-random search. The first trial of a replicate is the
            experiment itself, the next ones are drawn at random; from ten told trials on each replicate learns from
            its own.
        pruner: `none`, `halving` (synchronous successive halving) or `median`, within a replicate. A trial's rungs can
            be compared where the learning rate is constant only.
        storage: Any Optuna URL; null keeps sqlite in the project folder.
        timeout: Seconds (or 10m, 2h) after which no further batch is begun; null for none.
        space: Dotted keys of the experiment, each with the range to search, and maybe `when` it is searched.
    """

    replicates: Annotated[int | None, read_by("study"), RESOLVED] = Field(default=None, ge=1)
    trials: Annotated[Literal["auto"] | Annotated[int, Field(ge=1)], read_by("tune"), RESOLVED] = "auto"
    base: Annotated[dict[str, Any], WHOLE] = Field(default={})
    batch: Annotated[int, read_by("study")] = Field(default=8, ge=1)
    sampler: Annotated[Literal["tpe", "gp", "random", "qmc"], read_by("study")] = "tpe"
    pruner: Annotated[Literal["halving", "median", "none"], read_by("study")] = "none"
    storage: Annotated[str | None, SECRET] = None
    timeout: Annotated[_Positive | None, BeforeValidator(seconds), read_by("tune"), RESOLVED] = None
    space: Annotated[dict[str, Dimension], read_by("study"), WHOLE] = Field(
        default_factory=_default_space, min_length=1
    )
