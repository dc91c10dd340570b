"""What a validation changes in a slot's state: history, best look, early stopping, plateau."""

import math
from typing import TYPE_CHECKING

from pipeline.config.tasks import ALL, TaskSettings
from pipeline.config.training import TrainingSettings
from pipeline.kinds import kind_of
from pipeline.training.slot import SlotState

if TYPE_CHECKING:  # which knows the data, and so imports torch
    from pipeline.training.length import Length

_KINDS = [kind_of(name) for name in TaskSettings.choices]
_PRIMARY = {it.primary for it in _KINDS}
_OF_NUMBERS = {it.primary for it in _KINDS if it.is_number}

OBJECTIVE = f"validation/{ALL}/objective"
"""The unweighted mean over tasks of each task's primary validation metric; higher is better."""

LOSS = f"validation/{ALL}/loss"
"""The unweighted mean over tasks of each task's validation loss; lower is better.

It is the negative log-likelihood, or of a number 1 - R2: the squared error as a share of the variance of these rows.
"""

STANDARD_ERROR = f"{OBJECTIVE}_se"
"""Of a trial with folds: the standard error of its objective, which is a mean over them."""

LARGEST = 2.0**64
"""A network with a weight or a loss beyond it has diverged, as one with a NaN.

The square of more is no float32: whether it overflows depends on the order in which a processor adds. Useful training
comes nowhere near.
"""

_PLATEAU_DROP = 0.1


def note_look(
    state: SlotState, metrics: dict[str, float], settings: TrainingSettings, length: "Length", finite: bool = True
) -> bool:
    """Add the metrics of a look to a slot's state.

    Args:
        state: Of the slot.
        metrics: Of the stretch and the look: `train/task/nll` and so on; NaN for a task without a labelled row.
        settings: The slot's own.
        length: How long it trains.
        finite: Whether the slot's weights are, and none is beyond `LARGEST`.

    Returns:
        Whether this look is now the one to keep.
    """
    over_tasks = {OBJECTIVE: _objective(metrics), LOSS: _loss(metrics)}
    state.updates.append(length.looks[state.looks])
    state.history.append(metrics | {name: value for name, value in over_tasks.items() if value is not None})
    if not finite or _lost(metrics):
        state.status = "diverged"
        return state.best_look == 0 and _keep(state)
    if state.looks >= len(length.looks):
        state.status = "finished"
    loss = state.history[-1].get(LOSS, math.nan)
    _note_plateau(state, loss, settings)
    if settings.early_stopping is None:
        return _keep(state)
    if loss < state.best_loss - settings.early_stopping.min_delta or state.best_look == 0:
        return _keep(state)
    state.waited += 1
    if state.waited >= settings.early_stopping.patience:
        state.status = "finished"
    return False


def _objective(metrics: dict[str, float]) -> float | None:
    """The mean over the tasks that validation has labels for, NaN for none; None without a validation split."""
    return _mean([value for name, value in _primary(metrics).items() if name.startswith("validation/")])


def _loss(metrics: dict[str, float]) -> float | None:
    """The mean loss over the tasks that validation has labels for, NaN for none; None without a validation split."""
    seen = {name: value for name, value in _primary(metrics).items() if name.startswith("validation/")}
    return _mean([value if math.isnan(value) else _beside(metrics, name, value) for name, value in seen.items()])


def _mean(values: list[float]) -> float | None:
    """Of those that are known; NaN where none is, None of nothing."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan if values else None


def _lost(metrics: dict[str, float]) -> bool:
    """Whether a loss is NaN or beyond `LARGEST` where rows are labelled (without any the primary metric is NaN too).

    Of a regression it is read in standard deviations, whatever the unit.
    """
    for name, value in _primary(metrics).items():
        loss = 0.0 if math.isnan(value) else _beside(metrics, name, value)
        if not (math.sqrt(loss) if name.rsplit("/", 1)[1] in _OF_NUMBERS else loss) <= LARGEST:
            return True
    return False


def _beside(metrics: dict[str, float], name: str, value: float) -> float:
    """The loss beside a primary metric."""
    place, metric = name.rsplit("/", 1)
    return 1.0 - value if metric in _OF_NUMBERS else metrics[f"{place}/nll"]


def _primary(metrics: dict[str, float]) -> dict[str, float]:
    """Each split's and task's primary metric: training counts one of them for every task."""
    return {name: value for name, value in metrics.items() if name.rsplit("/", 1)[1] in _PRIMARY}


def _keep(state: SlotState) -> bool:
    last = state.history[-1]
    state.best_look, state.waited = state.looks, 0
    state.best_objective, state.best_loss = (last.get(name, math.nan) for name in (OBJECTIVE, LOSS))
    return True


def _note_plateau(state: SlotState, loss: float, settings: TrainingSettings) -> None:
    if settings.schedule != "plateau":
        return
    if loss < state.plateau_best:
        state.plateau_best, state.plateau_waited = loss, 0
        return
    state.plateau_waited += 1
    if state.plateau_waited > settings.plateau_patience:
        state.plateau_factor, state.plateau_waited = state.plateau_factor * _PLATEAU_DROP, 0
