"""Which trials make a batch, and asking for them.

Trials are dealt out to the replicates in turn. The first one of a replicate is the experiment itself, the next ones are
drawn by parameter name, so that arms try the same values of all settings that they share, and once `STARTUP_TRIALS` are
told a sampler proposes that has seen this replicate's trials alone. A proposal is made on a copy of these in memory
by a sampler of its own, and the trial enters the storage with all its parameters at once: there are no half-asked
trials, and what was asked before an interruption is asked no more.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.config import Experiment
from pipeline.errors import Failure
from pipeline.training.slot import replicate_of
from pipeline.tuning import samplers
from pipeline.tuning.in_memory import study_of
from pipeline.tuning.space import conditional, distributions, drawn, resolve, trial_experiment, written
from pipeline.tuning.study import BATCH, REPLICATE, VALUES


def batch_at(trials: Sequence[FrozenTrial], start: int, experiment: Experiment) -> range:
    """The numbers of the batch that begins at a number: as it was begun, or up to the next multiple of `batch`.

    Raises:
        Failure: A trial there is not one of ours.
    """
    assert experiment.tuning is not None
    if start >= len(trials):
        size = experiment.tuning.batch
        return range(start, min((start // size + 1) * size, experiment.trials))
    if BATCH not in trials[start].user_attrs:
        raise Failure(
            f"trial {start} of the study was not asked for by headway: give the experiment another name or storage"
        )
    return range(*trials[start].user_attrs[BATCH])


def ask(study: Study, experiment: Experiment, batch: range) -> list[FrozenTrial]:
    """Ask in order for those trials of a batch that the study does not have yet.

    Returns:
        All trials of the study.

    Raises:
        UserError: The values of a proposal do not go together.
    """
    trials = list(study.get_trials(deepcopy=False))
    for number in range(len(trials), batch.stop):
        proposed = _proposed(trials, experiment, number, batch)
        study.add_trial(proposed)
        proposed.number = number
        trials.append(proposed)
    return study.get_trials(deepcopy=False)


def _proposed(trials: Sequence[FrozenTrial], experiment: Experiment, number: int, batch: range) -> FrozenTrial:
    """The next trial, with the parameters that it searches."""
    replicate, place = replicate_of(number, experiment), number // experiment.replicates
    own = [trial for it, trial in enumerate(trials) if replicate_of(it, experiment) == replicate]
    params, values = written(experiment) if place == 0 else _searched(own, experiment, number, batch)
    trial_experiment(experiment, values)  # known to be possible before it is stored
    searched = {name: it for name, it in distributions(experiment, values).items() if name in params}
    return create_trial(
        state=TrialState.RUNNING,
        params={name: params[name] for name in searched},
        distributions=searched,
        user_attrs=({BATCH: [batch.start, batch.stop]} if number == batch.start else {})
        | {REPLICATE: replicate, VALUES: values},
    )


def _searched(
    own: Sequence[FrozenTrial], experiment: Experiment, number: int, batch: range
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Parameters and values of a trial, given the trials of its replicate so far: those of its batch are not told."""
    assert experiment.tuning is not None
    space, place, kind = distributions(experiment), number // experiment.replicates, experiment.tuning.sampler
    told = sum(it * experiment.replicates + replicate_of(number, experiment) < batch.start for it in range(len(own)))
    replicate = replicate_of(number, experiment)
    if kind == "random" or (kind != "qmc" and told < samplers.STARTUP_TRIALS):
        params: Mapping[str, Any] = {
            name: drawn(it, experiment.seed, "study", replicate, place, name) for name, it in space.items()
        }
    else:
        params = _learnt(own, experiment, space, replicate, place)
    return params, resolve(params, experiment)


def _learnt(
    own: Sequence[FrozenTrial], experiment: Experiment, space: dict[str, BaseDistribution], replicate: int, place: int
) -> Mapping[str, Any]:
    """What a sampler proposes that has seen these trials."""
    assert experiment.tuning is not None
    mirror = study_of(own)
    # Trials that differ in what they search are modelled in groups: of those drawn, and of the experiment itself,
    # which may lie outside of the space.
    apart = conditional(experiment) or any(set(it.params) != set(space) for it in own)
    mirror.sampler = samplers.sampler(
        experiment.tuning.sampler, experiment.seed, replicate, place, space if apart else None
    )
    return mirror.ask(space).params
