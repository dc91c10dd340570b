"""The logged table of trials as a study that Optuna can draw.

Its columns: number, state, reason, value, seconds, `epoch_1`, `epoch_2`, ... (objectives reported), one for each
searched setting by dotted key (empty where a trial does not search it), and maybe metrics of the look it keeps, which
have a `/` in their name.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

WEIGHT = "balancing.weights."
"""What the columns of the tasks' weights begin with."""

_FIXED = ("number", "state", "reason", "value", "seconds")
_EPOCH = re.compile(r"epoch_(\d+)")


def settings_of(table: pd.DataFrame) -> list[str]:
    """The columns that are searched settings and known of any trial."""
    others = {name for name in table if name in _FIXED or _EPOCH.fullmatch(name) or "/" in name}
    return [name for name in table if name not in others and table[name].notna().any()]


def study_of(table: pd.DataFrame, space: Mapping[str, Mapping[str, Any]]) -> "Study":
    """A study in memory with the finished trials of a table; higher is better.

    Its parameters are the settings themselves: a task's weight, not the coordinate that it was sampled by.

    Args:
        table: The trials.
        space: `tuning.space` as the experiment gives it, for bounds and logarithms.
    """
    import optuna

    distributions = {name: _distribution(table[name], space.get(name, {})) for name in settings_of(table)}
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would tell of a study that nobody asked for
    study = optuna.create_study(direction="maximize")
    done = table[table["state"].isin(["COMPLETE", "PRUNED", "FAIL"])]
    study.add_trials([_trial(row, distributions) for row in done.to_dict("records")])
    return study


def _distribution(values: pd.Series, dimension: Mapping[str, Any]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    for kind, ranged in (("float", FloatDistribution), ("int", IntDistribution)):
        if kind in dimension:
            low, high = dimension[kind]
            return ranged(low, high, log=dimension.get("log", False))
    known = values.dropna()
    if pd.api.types.is_float_dtype(known):
        return FloatDistribution(float(known.min()), float(known.max()))
    return CategoricalDistribution(sorted(known.unique().tolist(), key=str))


def _trial(row: dict[str, Any], distributions: Mapping[str, "BaseDistribution"]) -> "FrozenTrial":
    from optuna.distributions import IntDistribution
    from optuna.trial import TrialState, create_trial

    state = TrialState[row["state"]]
    # A column of whole numbers of which one is missing has become one of floats.
    params = {
        name: int(row[name]) if isinstance(it, IntDistribution) else row[name]
        for name, it in distributions.items()
        if not pd.isna(row[name])
    }
    reported = {int(found[1]): value for name, value in row.items() if (found := _EPOCH.fullmatch(name))}
    return create_trial(
        state=state,
        value=row["value"] if state == TrialState.COMPLETE else None,
        params=params,
        distributions={name: distributions[name] for name in params},
        intermediate_values={epoch: value for epoch, value in reported.items() if not pd.isna(value)},
    )
