"""Samplers: each trial is proposed by a new sampler, so that no sampler's state needs to be stored."""

from collections.abc import Mapping

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.draws import seed_of
from pipeline.tuning.experimental import experimental

STARTUP_TRIALS = 10
"""Finished trials of a replicate from which on TPE or the Gaussian process propose. TPE counts complete and pruned
trials; the Gaussian process uses complete ones only, so it needs `tuning.pruner: none`."""

_SEEDS = 2**32  # NumPy's generators take no larger seed


def sampler(
    kind: str, seed: int, replicate: int, place: int, conditional: Mapping[str, BaseDistribution] | None = None
) -> BaseSampler:
    """The sampler that proposes one trial; it depends on the arguments alone.

    If some parameters are searched in some trials only, `tpe` models parameters together that are always searched
    together; `gp` models those that all complete trials have and draws the others at random; and `qmc` spreads its
    points over all parameters, whichever a trial then uses.

    Args:
        kind: `tpe` is the multivariate tree-structured Parzen estimator with constant liar (Bergstra et al. 2011,
            Falkner et al. 2018), which counts running trials as bad ones, so that a batch is diverse;
            `gp` a Gaussian process with log expected improvement; `random`; `qmc` a scrambled Sobol sequence.
        seed: Seed of the study.
        replicate: Number of the trial's replicate.
        place: Index of the trial in its replicate, from 0.
        conditional: All parameters, if trials differ in those that they search; else None.
    """
    trial_seed = seed_of(seed, "study", replicate, place) % _SEEDS
    match kind:
        case "tpe":
            with experimental():
                if conditional is None:
                    return _SameSpaceTPE(n_startup_trials=STARTUP_TRIALS, seed=trial_seed)
                return TPESampler(n_startup_trials=STARTUP_TRIALS, seed=trial_seed, group=True)
        case "gp":
            return GPSampler(n_startup_trials=STARTUP_TRIALS, seed=trial_seed)
        case "random":
            return RandomSampler(seed=trial_seed)
        case "qmc":
            with experimental():
                return _PlacedQMC(seed_of(seed, "study", replicate) % _SEEDS, place, conditional)
    raise ValueError(f"no sampler '{kind}'")


class _SameSpaceTPE(TPESampler):
    """TPE for trials that all search the same parameters; Optuna's compares all trials for that in each proposal."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters of the first finished trial."""
        ended = (it for it in study.get_trials(deepcopy=False) if it.state in (TrialState.COMPLETE, TrialState.PRUNED))
        first = next(ended, trial)
        return {name: it for name, it in sorted(first.distributions.items()) if not it.single()}


class _PlacedQMC(QMCSampler):
    """QMC that takes the point of a trial's index; Optuna's counter is in the storage, and wrong after a resume.
    For a conditional space it has all dimensions; Optuna's takes those of the first trial, and draws the others with
    the same seed in every trial.
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
