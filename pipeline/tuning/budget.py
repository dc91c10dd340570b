"""How many epochs and trials fit into a time: arithmetic over what things cost on the machine at hand."""

from dataclasses import dataclass

from pipeline.config.tuning import TuningSettings
from pipeline.tuning.pruners import expected_share

LEAST_EPOCHS, LEAST_TRIALS = 2, 8
_MOST_TRIALS = 1000  # a sampler gains little from more, and proposes ever more slowly


@dataclass(frozen=True)
class Costs:
    """Seconds that pass for the parts of a job.

    Attributes:
        fixed_s: What is done once, however much is trained.
        epoch_s: An epoch of all that is trained outside the study; where the length is not planned, all of them.
        trial_epoch_s: The same of one trial.
        trial_s: What a trial costs whatever its length.
    """

    fixed_s: float
    epoch_s: float
    trial_epoch_s: float = 0.0
    trial_s: float = 0.0

    def rest_s(self, epochs: int) -> float:
        """Everything but the study."""
        return self.fixed_s + epochs * self.epoch_s

    def study_s(self, epochs: int, trials: int, pruner: str) -> float:
        """The study."""
        trained = epochs * expected_share(pruner, range(1, epochs + 1))
        return trials * (trained * self.trial_epoch_s + self.trial_s)


@dataclass(frozen=True)
class Plan:
    """What fits.

    Attributes:
        epochs: Of every training.
        trials: Of the study; 0 where there is none.
        seconds: That all of it should take.
        study_s: That the study should take.
    """

    epochs: int
    trials: int
    seconds: float
    study_s: float


def plan(costs: Costs, budget_s: float, epochs: int, tuning: TuningSettings | None) -> Plan | None:
    """The most that fits; None where not even the least does.

    Epochs are never more than the experiment says. Where the time is too short for what it says, epochs and trials
    shrink in the same proportion, trials to whole batches; what that leaves over goes to epochs, and time beyond what
    the experiment says to trials.

    Args:
        costs: Of the parts.
        budget_s: Seconds there are.
        epochs: That the experiment says.
        tuning: What it says of its search; None without one.
    """
    found = [
        it
        for tried in range(epochs, least_epochs(epochs) - 1, -1)
        if (it := _with_epochs(costs, budget_s, tried, tuning)) is not None
    ]
    if tuning is None or not found:
        return found[0] if found else None
    enough = (it for it in found if it.trials >= min(_MOST_TRIALS, tuning.trials * it.epochs / epochs))
    trials = next(enough, found[-1]).trials
    return next(it for it in found if it.trials >= trials)


def least(costs: Costs, epochs: int, tuning: TuningSettings | None) -> Plan:
    """The shortest plan that is worth the name."""
    shortest, trials = least_epochs(epochs), least_trials(tuning)
    study_s = costs.study_s(shortest, trials, tuning.pruner) if tuning else 0.0
    return Plan(shortest, trials, costs.rest_s(shortest) + study_s, study_s)


def least_epochs(epochs: int) -> int:
    """Fewest epochs that are planned."""
    return min(LEAST_EPOCHS, epochs)


def least_trials(tuning: TuningSettings | None) -> int:
    """Fewest trials that are planned."""
    return min(LEAST_TRIALS, tuning.trials) if tuning else 0


def _with_epochs(costs: Costs, budget_s: float, epochs: int, tuning: TuningSettings | None) -> Plan | None:
    left = budget_s - costs.rest_s(epochs)
    if tuning is None:
        return Plan(epochs, 0, costs.rest_s(epochs), 0.0) if left >= 0.0 else None
    each = costs.study_s(epochs, 1, tuning.pruner)
    trials = min(int(max(0.0, left) / each), _MOST_TRIALS)
    trials -= trials % tuning.batch if trials > tuning.batch else 0
    if trials < least_trials(tuning):
        return None
    study_s = costs.study_s(epochs, trials, tuning.pruner)
    return Plan(epochs, trials, costs.rest_s(epochs) + study_s, study_s)
