"""Settling: where every row tests, the prepared data tell how many networks an arm has, one for each replicate.

Nothing else asks: an experiment is settled before its steps are made.
"""

from pipeline.config import Experiment, with_values
from pipeline.errors import UserError
from pipeline.steps.context import Context
from pipeline.steps.data import folds_of
from pipeline.steps.prepare import Prepare
from pipeline.steps.step import Step, look_up, perform


def settle(context: Context) -> None:
    """Settle the experiment of a command that does steps: its data are prepared for it, if they tell.

    Raises:
        UserError: The data are wrong, or other numbers of networks or trials are written.
        Failure: The data could not be prepared.
    """
    if context.experiment.awaits_data:
        prepare = Prepare(context.experiment, context.project)
        perform(context, prepare)
        _settle(context, prepare)


def settle_if_prepared(context: Context) -> None:
    """Settle the experiment of a command that only looks, if its data are prepared.

    Raises:
        UserError: Other numbers of networks or trials are written.
    """
    if context.experiment.awaits_data:
        prepare = Prepare(context.experiment, context.project)
        look_up(context, prepare)
        if prepare.result:
            _settle(context, prepare)


def settled(experiment: Experiment, replicates: int, why: str) -> Experiment:
    """The experiment with one network for each replicate of the data, as written and in every arm.

    Args:
        experiment: As it was read from its file.
        replicates: Of the data.
        why: There are so many, for messages.

    Raises:
        UserError: Another number of networks is written, or one of trials that cannot be dealt out evenly.
    """
    for key, written in _written(experiment).items():
        if written != replicates:
            raise UserError(
                f"{key}={written}, but {why}, and each has one network of every arm: leave {key} out, or give "
                "data.test a share such as 0.2"
            )
    values = {"training.seeds": replicates} | ({"tuning.replicates": replicates} if experiment.tuning else {})
    return _checked(with_values(experiment, values))


def _settle(context: Context, prepare: Step) -> None:
    if outer := folds_of(prepare.outputs):
        count = outer.folds * outer.repeats
        context.every_row_tests = True
        context.experiment = settled(context.experiment, count, f"the data have {count} replicates ({outer})")
        return
    _checked(context.experiment)


def _checked(experiment: Experiment) -> Experiment:
    """The experiment, if its trials can be dealt out."""
    try:
        experiment.check_trials()
    except ValueError as error:
        raise UserError(str(error)) from None
    return experiment


def _written(experiment: Experiment) -> dict[str, int]:
    """The numbers of networks that an experiment's file, or a `--set`, names, by dotted key."""
    training, tuning = experiment.training, experiment.tuning
    found = {
        "training.seeds": training.seeds if "seeds" in training.model_fields_set else None,
        "tuning.replicates": tuning.replicates if tuning else None,
        "compare.seeds": experiment.compare.seeds,
    }
    return {key: count for key, count in found.items() if count is not None}
