"""What an epoch means for a slot: its history, its best epoch, whether it stops, and its plateau."""

import math

from pipeline.config.tasks import ALL
from pipeline.config.training import TrainingSettings
from pipeline.training.slot import SlotState

OBJECTIVE = f"validation/{ALL}/objective"
"""The unweighted mean over tasks of each task's primary validation metric; higher is better."""

_PLATEAU_DROP = 0.1


def note_epoch(state: SlotState, metrics: dict[str, float], settings: TrainingSettings, finite: bool = True) -> bool:
    """Add an epoch's metrics to a slot's state.

    Args:
        state: Of the slot.
        metrics: Of the epoch: `train/task/nll` and so on; NaN for a task without a labelled row.
        settings: The slot's own.
        finite: Whether the slot's weights are.

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
    scores = [value for key, value in metrics.items() if key.startswith("validation/") and key.endswith("/accuracy")]
    known = [score for score in scores if not math.isnan(score)]
    return sum(known) / len(known) if known else None


def _lost(metrics: dict[str, float]) -> bool:
    """Whether a loss is lost for another reason than that no row is labelled (then accuracy is undefined as well)."""
    return any(
        not math.isfinite(value) and not math.isnan(metrics[key.removesuffix("nll") + "accuracy"])
        for key, value in metrics.items()
        if key.endswith("/nll")
    )


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
