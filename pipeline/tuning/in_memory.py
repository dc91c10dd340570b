"""A study in memory of some trials, for a sampler that may know these only; nothing is stored."""

import copy
from collections.abc import Container, Sequence

import optuna
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


def study_of(trials: Sequence[FrozenTrial]) -> Study:
    """A study of these trials, for one proposal.

    Args:
        trials: The trials in the order of their numbers. They are not copied: two thousand proposals would copy two
            million trials.
    """
    return optuna.create_study(direction="maximize", storage=_Storage(trials))


class _Storage(InMemoryStorage):
    """The given trials, followed by the one that is proposed."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._previous = trials
        self._number = trials[-1].number + 1 if trials else 0

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._numbered(super().get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        proposed = map(self._numbered, super().get_all_trials(study_id, deepcopy))
        return [it for it in (*self._previous, *proposed) if states is None or it.state in states]

    def _numbered(self, proposed: FrozenTrial) -> FrozenTrial:
        """The proposed trial with the next number: samplers identify trials by their numbers."""
        trial = copy.copy(proposed)
        trial.number = self._number
        return trial
