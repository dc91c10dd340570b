"""Proposes the trials of a batch and adds them to the study.

Trials are assigned to the replicates in turn. A replicate's first trial is the experiment itself, the next ones are
drawn by parameter name, so that arms try the same values of all settings that they share. Once `STARTUP_TRIALS` trials
of the replicate are finished, a sampler proposes from these. Each proposal has its own sampler, on a study in memory,
and the trial is stored with all its parameters at once: no trial is ever stored in part, and after an interruption
trials that were stored are not proposed again.
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
    """The numbers of the batch that starts at a number: as it was stored, or up to the next multiple of `batch`.

    Raises:
        Failure: The trial at the start was not created by Headway.
    """
    assert experiment.tuning is not None
    if start >= len(trials):
        size = experiment.tuning.batch
        return range(start, min((start // size + 1) * size, experiment.trials))
    if BATCH not in trials[start].user_attrs:
        raise Failure(
            f"trial {start} of the study was not created by headway: give the experiment another name or storage"
        )
    return range(*trials[start].user_attrs[BATCH])


def ask(study: Study, experiment: Experiment, batch: range) -> list[FrozenTrial]:
    """Propose and store the trials of a batch that are missing in the study, in order.

    Returns:
        All trials of the study.

    Raises:
        UserError: The values of a proposal are invalid together.
    """
    trials = list(study.get_trials(deepcopy=False))
    for number in range(len(trials), batch.stop):
        proposed = _proposed(trials, experiment, number, batch)
        study.add_trial(proposed)
        proposed.number = number
        trials.append(proposed)
    return study.get_trials(deepcopy=False)


def _proposed(trials: Sequence[FrozenTrial], experiment: Experiment, number: int, batch: range) -> FrozenTrial:
    """The trial of a number, with the parameters that it searches."""
    replicate, place = replicate_of(number, experiment), number // experiment.replicates
    previous = [trial for it, trial in enumerate(trials) if replicate_of(it, experiment) == replicate]
    params, values = written(experiment) if place == 0 else _searched(previous, experiment, number, batch)
    trial_experiment(experiment, values)  # validated before it is stored
    searched = {name: it for name, it in distributions(experiment, values).items() if name in params}
    return create_trial(
        state=TrialState.RUNNING,
        params={name: params[name] for name in searched},
        distributions=searched,
        user_attrs=({BATCH: [batch.start, batch.stop]} if number == batch.start else {})
        | {REPLICATE: replicate, VALUES: values},
    )


def _searched(
    previous: Sequence[FrozenTrial], experiment: Experiment, number: int, batch: range
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Parameters and values of a trial, given the replicate's previous trials; those of its batch are unfinished."""
    assert experiment.tuning is not None
    space, place, kind = distributions(experiment), number // experiment.replicates, experiment.tuning.sampler
    replicate = replicate_of(number, experiment)
    finished = sum(it * experiment.replicates + replicate < batch.start for it in range(len(previous)))
    if kind == "random" or (kind != "qmc" and finished < samplers.STARTUP_TRIALS):
        params: Mapping[str, Any] = {
            name: drawn(it, experiment.seed, "study", replicate, place, name) for name, it in space.items()
        }
    else:
        params = _sampled(previous, experiment, space, replicate, place)
    return params, resolve(params, experiment)


def _sampled(
    trials: Sequence[FrozenTrial],
    experiment: Experiment,
    space: dict[str, BaseDistribution],
    replicate: int,
    place: int,
) -> Mapping[str, Any]:
    """The parameters that a sampler proposes, given the previous trials of the replicate."""
    assert experiment.tuning is not None
    study = study_of(trials)
    # Trials with different parameters are modelled in groups; the experiment itself may lie outside of the space.
    grouped = conditional(experiment) or any(set(it.params) != set(space) for it in trials)
    study.sampler = samplers.sampler(
        experiment.tuning.sampler, experiment.seed, replicate, place, space if grouped else None
    )
    return study.ask(space).params
