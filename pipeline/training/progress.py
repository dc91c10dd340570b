"""What an epoch means for a slot: its history, its best epoch, whether it stops, and its plateau."""

import math

from pipeline.config.tasks import ALL, PRIMARY
from pipeline.config.training import TrainingSettings
from pipeline.training.slot import SlotState

OBJECTIVE = f"validation/{ALL}/objective"
"""The unweighted mean over tasks of each task's primary validation metric; higher is better."""

STANDARD_ERROR = f"{OBJECTIVE}_se"
"""Of a trial with folds: the standard error of its objective, which is a mean over them."""

LARGEST = 2.0**64
"""A network with a weight or a loss beyond it is lost, as one with a NaN: the square of more is no float32, so whether
it overflows or stays finite hangs on the order in which a processor adds. Training that learns comes nowhere near."""

_PLATEAU_DROP = 0.1


def note_epoch(state: SlotState, metrics: dict[str, float], settings: TrainingSettings, finite: bool = True) -> bool:
    """Add an epoch's metrics to a slot's state.

    Args:
        state: Of the slot.
        metrics: Of the epoch: `train/task/nll` and so on; NaN for a task without a labelled row.
        settings: The slot's own.
        finite: Whether the slot's weights are, and none is beyond `LARGEST`.

    Returns:
        Whether this epoch is now the one to keep.
    """
    objective = _objective(metrics)
    state.history.append(metrics if objective is None else metrics | {OBJECTIVE: objective})
    objective = float("nan") if objective is None else objective
    if not finite or _lost(metrics):
        state.status = "diverged"
        return state.best_epoch == 0 and _keep(state, objective)
    if state.epoch >= settings.epochs:
        state.status = "finished"
    _note_plateau(state, objective, settings)
    if settings.early_stopping is None:
        return _keep(state, objective)
    if objective > state.best_objective + settings.early_stopping.min_delta or state.best_epoch == 0:
        return _keep(state, objective)
    state.waited += 1
    if state.waited >= settings.early_stopping.patience:
        state.status = "finished"
    return False


def _objective(metrics: dict[str, float]) -> float | None:
    """The mean over the tasks that validation has labels for; None without a validation split."""
    known = [value for name, value in _primary(metrics).items() if name.startswith("validation/")]
    known = [value for value in known if not math.isnan(value)]
    return sum(known) / len(known) if known else None


def _lost(metrics: dict[str, float]) -> bool:
    """Whether a loss is NaN or beyond `LARGEST` where rows are labelled (without any the primary metric is NaN too)."""
    primary = _primary(metrics).items()
    return any(not math.isnan(value) and not _loss(metrics, name, value) <= LARGEST for name, value in primary)


def _loss(metrics: dict[str, float], name: str, value: float) -> float:
    """The loss beside a primary metric; that of a number is in standard deviations, whatever the unit."""
    place, metric = name.rsplit("/", 1)
    return math.sqrt(1.0 - value) if metric == "r2" else metrics[f"{place}/nll"]


def _primary(metrics: dict[str, float]) -> dict[str, float]:
    """Each split's and task's primary metric: training counts one of them for every task."""
    return {name: value for name, value in metrics.items() if name.rsplit("/", 1)[1] in PRIMARY.values()}


def _keep(state: SlotState, objective: float) -> bool:
    state.best_epoch, state.best_objective, state.waited = state.epoch, objective, 0
    return True


def _note_plateau(state: SlotState, objective: float, settings: TrainingSettings) -> None:
    if settings.schedule != "plateau":
        return
    if objective > state.plateau_best:
        state.plateau_best, state.plateau_waited = objective, 0
        return
    state.plateau_waited += 1
    if state.plateau_waited > settings.plateau_patience:
        state.plateau_factor, state.plateau_waited = state.plateau_factor * _PLATEAU_DROP, 0
