"""Proposes the trials of a batch and adds them to the study.

Trials are assigned to the replicates in turn. A replicate's first trial is the experiment itself, the next ones are
drawn by parameter name, so that arms try the same values of all settings that they share. Once `STARTUP_TRIALS` trials
of the replicate are finished, a sampler proposes from these. Each proposal has its own sampler, on a study in memory,
and the trial is stored with all its parameters at once: no trial is ever stored in part, and after an interruption
trials that were stored are not proposed again.

Where several batches are in flight, a sampler sees the results of those batches only that must be recorded before this
one is proposed. Others are shown as running, whether they are or not: so proposals depend on no host's speed.
"""

import copy
import json
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
from pipeline.tuning.writer import TrialWriter


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


def known(trials: Sequence[FrozenTrial], start: int, experiment: Experiment) -> int:
    """How many trials the batch that starts at a number knows: those of all batches before it but the last n - 1.

    Args:
        trials: Those before it, or more.
        start: Of the batch.
        experiment: With n `tuning.batches_in_flight`.
    """
    assert experiment.tuning is not None
    for _ in range(experiment.tuning.batches_in_flight - 1):
        start = next((number for number in range(start - 1, -1, -1) if BATCH in trials[number].user_attrs), 0)
    return start


class Proposals:
    """Proposes trials and adds them to a study; keeps a mirror of it, since nobody else writes to it.

    Args:
        study: The study.
        writer: Of its trials.
        experiment: What is searched.

    Attributes:
        trials: Of the study, in the order of their numbers; recorded ones once `told` has been called.
    """

    def __init__(self, study: Study, writer: TrialWriter, experiment: Experiment) -> None:
        self.trials = list(study.get_trials(deepcopy=False))
        self._study, self._experiment, self._writer = study, experiment, writer
        self._seen: list[list[FrozenTrial]] = [[] for _ in range(experiment.replicates)]
        self._shown = self._known = 0

    def ask(self, batch: range) -> list[FrozenTrial]:
        """Propose and store the trials of a batch that are missing in the study, in order.

        Batches come in order, and what a batch may know has been told.

        Returns:
            The batch's trials.

        Raises:
            UserError: The values of a proposal are invalid together.
        """
        if batch.stop > len(self.trials):
            self._know(known(self.trials, batch.start, self._experiment))
        for number in range(len(self.trials), batch.stop):
            self._show(number)
            proposed = _proposed(self._seen, self._known, self._experiment, number, batch)
            self._writer.add(proposed, number)
            self.trials.append(proposed)
        return self.trials[batch.start : batch.stop]

    def told(self) -> None:
        """Read what was recorded."""
        self.trials = list(self._study.get_trials(deepcopy=False))

    def _know(self, count: int) -> None:
        """Show samplers the results of so many trials."""
        self._show(count)
        for number in range(self._known, count):
            self._seen[number % len(self._seen)][number // len(self._seen)] = self.trials[number]
        self._known = max(self._known, count)

    def _show(self, count: int) -> None:
        """Show samplers that so many trials were begun."""
        for number in range(self._shown, count):
            self._seen[number % len(self._seen)].append(_running(self.trials[number]))
        self._shown = max(self._shown, count)


def _running(trial: FrozenTrial) -> FrozenTrial:
    """A trial without its results, as a batch sees it that was proposed while it was trained."""
    it = copy.copy(trial)
    it.state, it.values, it.intermediate_values, it.datetime_complete = TrialState.RUNNING, None, {}, None
    return it


def _proposed(
    seen: Sequence[Sequence[FrozenTrial]], count: int, experiment: Experiment, number: int, batch: range
) -> FrozenTrial:
    """The trial of a number, with the parameters that it searches.

    Args:
        seen: The trials of each replicate so far.
        count: So many trials of all replicates are known, the others are running.
        experiment: What is searched.
        number: Of the trial.
        batch: The trial's.
    """
    replicate, place = replicate_of(number, experiment), number // experiment.replicates
    params, values = written(experiment) if place == 0 else _searched(seen[replicate], count, experiment, number)
    trial_experiment(experiment, values)  # validated before it is stored
    searched = {name: it for name, it in distributions(experiment, values).items() if name in params}
    return create_trial(
        state=TrialState.RUNNING,
        params={name: params[name] for name in searched},
        distributions=searched,
        user_attrs=({BATCH: [batch.start, batch.stop]} if number == batch.start else {})
        | {REPLICATE: replicate, VALUES: json.loads(json.dumps(values))},  # as the storage gives it back
    )


def _searched(
    previous: Sequence[FrozenTrial], count: int, experiment: Experiment, number: int
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Parameters and values of a trial, given the replicate's previous trials; so many of all replicates are known."""
    assert experiment.tuning is not None
    space, place, kind = distributions(experiment), number // experiment.replicates, experiment.tuning.sampler
    replicate = replicate_of(number, experiment)
    finished = len(range(replicate, count, experiment.replicates))
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
