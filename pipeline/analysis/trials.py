"""The logged table of trials as a study that Optuna can draw.

Its columns: number, replicate, state, reason, value, seconds, `epoch_1`, `epoch_2`, ... (objectives reported), one for
each searched setting by dotted key (empty where a trial does not search it), and maybe metrics of the kept epoch, which
have a `/` in their name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

WEIGHT = "balancing.weights."
"""What the columns of the tasks' weights begin with."""

_FIXED = ("number", "replicate", "state", "reason", "value", "seconds")
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


def weights_as_one(study: "Study") -> "Study":
    """The completed trials with independent coordinates in the place of the tasks' weights.

    T weights sum to T, so that they have T - 1 degrees of freedom; whoever takes them for T settings of their own
    splits each of these. The first weight's share of all, the second's of what the first leaves, and so on, are
    independent where the weights are uniform on the simplex (Connor and Mosimann 1969, JASA 64), and of n weights that
    follow, 1 - (1 - share)^n is uniform on [0, 1]. Of two tasks it is the first one's share.

    Returns:
        A study in memory whose parameters `balancing.weights.1`, ... stand for all weights.
    """
    import optuna
    from optuna.distributions import FloatDistribution
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = optuna.create_study(direction="maximize")
    unit = FloatDistribution(0.0, 1.0)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        coordinates = _coordinates([trial.params[name] for name in sorted(trial.params) if name.startswith(WEIGHT)])
        own = {f"{WEIGHT}{place}": it for place, it in enumerate(coordinates, start=1)}
        params = {name: it for name, it in trial.params.items() if not name.startswith(WEIGHT)}
        kinds = {name: trial.distributions[name] for name in params} | dict.fromkeys(own, unit)
        found.add_trial(create_trial(value=trial.value, params=params | own, distributions=kinds))
    return found


def _coordinates(weights: Sequence[float]) -> Iterator[float]:
    """See `weights_as_one`.

    >>> list(_coordinates([0.5, 1.5])), list(_coordinates([1.5, 0.75, 0.75]))
    ([0.25], [0.75, 0.5])
    """
    left = sum(weights)
    for place, weight in enumerate(weights[:-1], start=1):
        share = min(weight / left, 1.0) if left > 0.0 else 0.0
        yield 1.0 - (1.0 - share) ** (len(weights) - place)
        left -= weight


def _distribution(values: pd.Series, dimension: Mapping[str, Any]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    known = values.dropna()
    for kind in ("float", "int"):
        if kind in dimension:
            # The experiment as written is a trial too, and may lie outside of what is searched.
            low, high = min(dimension[kind][0], known.min()), max(dimension[kind][1], known.max())
            log = dimension.get("log", False) and low > 0
            return (
                FloatDistribution(float(low), float(high), log=log)
                if kind == "float"
                else IntDistribution(int(low), int(high), log=log)
            )
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
