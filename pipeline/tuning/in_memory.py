"""A study as a sampler sees it that may know some trials only: it reads them where they are, and nothing is stored."""

import copy
from collections.abc import Container, Sequence

import optuna
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


def study_of(trials: Sequence[FrozenTrial]) -> Study:
    """A study of these trials, to ask once.

    Args:
        trials: In the order of their numbers. They are not copied: two thousand proposals would copy two million.
    """
    return optuna.create_study(direction="maximize", storage=_Seen(trials))


class _Seen(InMemoryStorage):
    """Trials that were there before, and behind them the one that is asked for."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._before = trials
        self._number = trials[-1].number + 1 if trials else 0

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._numbered(super().get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        asked = map(self._numbered, super().get_all_trials(study_id, deepcopy))
        return [it for it in (*self._before, *asked) if states is None or it.state in states]

    def _numbered(self, asked: FrozenTrial) -> FrozenTrial:
        """With a number of its own: samplers know a trial by it."""
        found = copy.copy(asked)
        found.number = self._number
        return found
