"""Who proposes a trial's parameters: for every trial a fresh sampler, so that no sampler's state needs keeping."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.draws import seed_of

STARTUP_TRIALS = 10
"""Told trials of a replicate from which TPE or the Gaussian process propose. TPE counts finished and pruned ones; the
Gaussian process learns from finished ones only, so it wants `tuning.pruner: none`."""

_SEEDS = 2**32  # NumPy's generators take no larger seed


def sampler(
    kind: str, seed: int, replicate: int, place: int, conditional: Mapping[str, BaseDistribution] | None = None
) -> BaseSampler:
    """The sampler that proposes one trial: a function of its arguments alone.

    Of a space in which some parameters are searched in some trials only, `tpe` models together those that are always
    searched together; `gp` models those that all finished trials have and draws the others at random; and `qmc`
    spreads its points over all of them, whichever a trial then takes.

    Args:
        kind: `tpe` is the multivariate tree-structured Parzen estimator with constant liar (Bergstra et al. 2011,
            Falkner et al. 2018), which counts trials still in training as bad ones, so that a batch spreads;
            `gp` a Gaussian process with log expected improvement; `random`; `qmc` a scrambled Sobol sequence.
        seed: Of the study.
        replicate: Whose trial it is.
        place: Of the trial in its replicate, from 0.
        conditional: All parameters, where trials differ in which of them they have; else None.
    """
    own = seed_of(seed, "study", replicate, place) % _SEEDS
    match kind:
        case "tpe":
            with _experimental():
                if conditional is None:
                    return _SameSpaceTPE(n_startup_trials=STARTUP_TRIALS, seed=own)
                return TPESampler(n_startup_trials=STARTUP_TRIALS, seed=own, group=True)
        case "gp":
            return GPSampler(n_startup_trials=STARTUP_TRIALS, seed=own)
        case "random":
            return RandomSampler(seed=own)
        case "qmc":
            with _experimental():
                return _PlacedQMC(seed_of(seed, "study", replicate) % _SEEDS, place, conditional)
    raise ValueError(f"no sampler '{kind}'")


@contextmanager
def _experimental() -> Iterator[None]:
    """Use parts of Optuna that are marked as experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


class _SameSpaceTPE(TPESampler):
    """Of trials that all search the same; Optuna compares them all in every proposal to find that out."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """What the first one searched."""
        ended = (it for it in study.get_trials(deepcopy=False) if it.state in (TrialState.COMPLETE, TrialState.PRUNED))
        first = next(ended, trial)
        return {name: it for name, it in sorted(first.distributions.items()) if not it.single()}


class _PlacedQMC(QMCSampler):
    """The point of the sequence that belongs to a trial's place; Optuna counts in the storage instead, and a resume
    would count on. Of a conditional space it has all dimensions; Optuna takes those of the first trial, and draws the
    others from one seed in every trial.
    """

    def __init__(self, seed: int, place: int, conditional: Mapping[str, BaseDistribution] | None) -> None:
        super().__init__(scramble=True, seed=seed)
        self._place, self._conditional = place, conditional

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The dimensions of the sequence."""
        if self._conditional is not None:
            return dict(self._conditional)
        return super().infer_relative_search_space(study, trial)

    def _find_sample_id(self, study: object, search_space: object) -> int:
        return self._place
