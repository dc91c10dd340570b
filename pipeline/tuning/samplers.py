"""Who proposes a trial's parameters: for every trial a fresh sampler, so that no sampler's state needs keeping."""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler

from pipeline.draws import seed_of

STARTUP_TRIALS = 10
"""Trials drawn at random before TPE or the Gaussian process propose. TPE counts finished and pruned ones; the Gaussian
process learns from finished ones only, so it wants `tuning.pruner: none`."""

_SEEDS = 2**32  # NumPy's generators take no larger seed


def sampler(kind: str, seed: int, number: int) -> BaseSampler:
    """The sampler that proposes one trial: a function of its arguments alone.

    Args:
        kind: `tpe` is the multivariate tree-structured Parzen estimator with constant liar (Bergstra et al. 2011,
            Falkner et al. 2018), which counts trials still in training as bad ones, so that a batch spreads;
            `gp` a Gaussian process with log expected improvement; `random`; `qmc` a scrambled Sobol sequence.
        seed: Of the study.
        number: Of the trial.
    """
    own = seed_of(seed, "study", number) % _SEEDS
    match kind:
        case "tpe":
            return TPESampler(n_startup_trials=STARTUP_TRIALS, seed=own)
        case "gp":
            return GPSampler(n_startup_trials=STARTUP_TRIALS, seed=own)
        case "random":
            return RandomSampler(seed=own)
        case "qmc":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return _Sequence(seed_of(seed, "study") % _SEEDS, number)
    raise ValueError(f"no sampler '{kind}'")


class _Sequence(QMCSampler):
    """The point of the sequence that belongs to a trial's number; Optuna counts in the storage instead, and a resume
    would count on.
    """

    def __init__(self, seed: int, number: int) -> None:
        super().__init__(scramble=True, seed=seed)
        self._number = number

    def _find_sample_id(self, study: object, search_space: object) -> int:
        return self._number
