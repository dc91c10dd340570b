"""Settings of the hyperparameter search."""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.base import Settings, abbreviated, as_tuple
from pipeline.config.facts import RESOLVED, SECRET, WHOLE, read_by
from pipeline.config.limits import REPEATS, ROWS, TOGETHER

_Positive = Annotated[float, Field(gt=0.0)]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

TRIALS_A_REPLICATE = 6
"""Trials per replicate under `trials: auto`, if time allows."""


def _values(value: Any) -> Any:
    """Read a single value as a list; the order is irrelevant."""
    return tuple(sorted(value if isinstance(value, list | tuple) else [value], key=str))


_Values = Annotated[tuple[Any, ...], BeforeValidator(_values), Field(min_length=1)]


class _Dimension(Settings):
    """The settings of every kind of dimension.

    Attributes:
        when: Other keys of the space, each with the value or values at which the dimension is searched; in all other
            trials the setting keeps the experiment's value. A value that is itself a list is written in a list,
            `[[64, 64]]`.
    """

    when: dict[str, _Values] = Field(default={}, exclude_if=lambda when: not when)


class FloatRange(_Dimension):
    """A real number in [low, high]; `log: true` searches its logarithm."""

    float: Annotated[tuple[float, float], BeforeValidator(as_tuple)]
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "FloatRange":
        _check_bounds(*self.float, self.log)
        return self


class IntRange(_Dimension):
    """A whole number in [low, high]; `log: true` searches its logarithm."""

    int: Annotated[tuple[int, int], BeforeValidator(as_tuple)]
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "IntRange":
        _check_bounds(*self.int, self.log)
        return self


class Choice(_Dimension):
    """One of several values, of any type that the setting accepts."""

    choice: Annotated[tuple[Any, ...], BeforeValidator(as_tuple)] = Field(min_length=1, max_length=1024)


class Simplex(_Dimension):
    """One weight per task, uniform on the simplex. `simplex` alone is short for `{simplex: true}`."""

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
    """Convert `10m`, `90s`, `2h` or a plain number to seconds.

    >>> seconds("10m"), seconds(2.5)
    (600.0, 2.5)
    """
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
    """The search. Each arm has its own study: the shared network, each task alone, or a balancing method.

    Attributes:
        replicates: Repeats of the whole procedure in every arm: its own trials, the best of them on validation, and its
            settings trained again with a new seed. Intervals are over replicates (Bouthillier et al. 2021, arXiv
            2103.03098). null takes as many as `training.seeds`; 1 is one study that learns from all of its trials, and
            the variance of tuning is then unknown.
        trials: Trials of an arm's study in all, a multiple of the replicates; a larger number continues the study.
            `auto` takes six per replicate, or fewer if the whole job would take too long on this machine.
        base: Values by dotted key that override the experiment in all tuned arms, such as
            `{training.schedule: one_cycle}`: the search then starts from these and not from the experiment as written.
        batch: Trials that are proposed together, trained side by side, and recorded in the order of their numbers.
        batches_in_flight: Batches that train at the same time, so that no host waits for the slowest trial of a batch.
            With n, a batch is proposed once all before it but the last n - 1 are recorded, and knows exactly those; at
            a rung it is compared with these and with itself. Proposals that know less are worse, so take 1 unless many
            hosts train.
        sampler: Optuna's TPE, Gaussian process, random or quasi-random search. The first trial of a replicate is the
            experiment itself, the next ones are random; from ten finished trials on, the sampler proposes from those
            of the replicate.
        pruner: `none`, `halving` (synchronous successive halving) or `median`, within a replicate. Rungs of trials can
            be compared only if the learning rate is constant or follows a plateau.
        storage: URL of Optuna's storage; null for sqlite in the project folder. `HEADWAY_STORAGE` in the environment
            comes before it, and `--storage` before both. Its password is stored and shown nowhere.
        timeout: Seconds (or 10m, 2h) after which no further batch starts; null for none.
        space: The search space by dotted key, each with a range or choice, and optionally `when` it is searched.
    """

    replicates: Annotated[int | None, REPEATS, read_by("study"), RESOLVED] = Field(default=None, ge=1)
    trials: Annotated[Literal["auto"] | Annotated[int, Field(ge=1), ROWS], read_by("tune"), RESOLVED] = "auto"
    base: Annotated[dict[str, Any], WHOLE] = Field(default={})
    batch: Annotated[int, TOGETHER, read_by("study")] = Field(default=8, ge=1)
    batches_in_flight: Annotated[int, REPEATS, read_by("study")] = Field(default=1, ge=1)
    sampler: Annotated[Literal["tpe", "gp", "random", "qmc"], read_by("study")] = "tpe"
    pruner: Annotated[Literal["halving", "median", "none"], read_by("study")] = "none"
    storage: Annotated[str | None, SECRET] = None
    timeout: Annotated[_Positive | None, BeforeValidator(seconds), read_by("tune"), RESOLVED] = None
    space: Annotated[dict[str, Dimension], read_by("study"), WHOLE] = Field(
        default_factory=_default_space, min_length=1
    )
