"""Which trials make a batch, and asking for them.

A proposal is made on a copy of the study in memory by a sampler of its own, and the trial enters the storage with all
its parameters at once: there are no half-asked trials, and what was asked before an interruption is asked no more.
"""

from collections.abc import Sequence

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.config import Experiment
from pipeline.config.tuning import TuningSettings
from pipeline.errors import Failure
from pipeline.tuning.samplers import sampler
from pipeline.tuning.space import conditional, distributions, resolve, trial_experiment
from pipeline.tuning.study import BATCH, VALUES


def batch_at(trials: Sequence[FrozenTrial], start: int, settings: TuningSettings) -> range:
    """The numbers of the batch that begins at a number: as it was begun, or up to the next multiple of `batch`.

    Raises:
        Failure: A trial there is not one of ours.
    """
    if start >= len(trials):
        multiple = (start // settings.batch + 1) * settings.batch
        return range(start, min(multiple, settings.trials))
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
    trials = study.get_trials(deepcopy=False)
    if len(trials) < batch.stop:
        mirror = optuna.create_study(direction="maximize")
        mirror.add_trials(trials)
        for number in range(len(trials), batch.stop):
            proposed = _proposed(mirror, experiment, number, batch)
            mirror.add_trial(proposed)
            study.add_trial(proposed)
    return study.get_trials(deepcopy=False)


def _proposed(mirror: Study, experiment: Experiment, number: int, batch: range) -> FrozenTrial:
    """The next trial, with the parameters that it searches."""
    settings = experiment.tuning
    assert settings is not None
    space = distributions(experiment)
    mirror.sampler = sampler(settings.sampler, experiment.seed, number, space if conditional(experiment) else None)
    asked = mirror.ask(space)
    # What is stored takes its place: samplers leave notes on it that no resume would find.
    mirror.tell(asked, state=TrialState.FAIL)
    values = resolve(asked.params, experiment)
    trial_experiment(experiment, values)  # known to be possible before it is stored
    searched = distributions(experiment, values)
    return create_trial(
        state=TrialState.RUNNING,
        params={name: asked.params[name] for name in searched},
        distributions=searched,
        user_attrs={BATCH: [batch.start, batch.stop], VALUES: values},
    )
