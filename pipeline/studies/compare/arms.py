"""The arms of a comparison: equal, tuned and random weights, the methods asked for, and each task alone."""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import ValidationError

from pipeline.config import Experiment, under_base, with_values
from pipeline.config.balancing import Balancing
from pipeline.config.compare import EQUAL, TUNED
from pipeline.config.experiment import Baselines
from pipeline.config.problems import one_line
from pipeline.config.space import WEIGHTS
from pipeline.config.tuning import Dimension, FloatRange, Simplex, TuningSettings
from pipeline.errors import UserError
from pipeline.steps.candidates import Arm, alone, replicated

SPACE: Mapping[str, Dimension] = MappingProxyType(
    {
        "training.learning_rate": FloatRange(float=(1e-3, 2e-2), log=True),
        "model.trunk.dropout": FloatRange(float=(0.0, 0.7)),
        "training.weight_decay": FloatRange(float=(1e-6, 1e-2), log=True),
    }
)
"""What the study of every arm of a comparison searches, where the experiment's own space says nothing of these."""


def arms(experiment: Experiment) -> list[Arm]:
    """The arms of a comparison: equal, tuned and random weights, the methods asked for, and each task alone.

    Raises:
        UserError: There is nothing to weigh or to choose by, or a method does not admit this experiment.
    """
    if len(experiment.tasks) < 2:
        raise UserError(f"compare: {experiment.name} has one task, so there are no weights to choose")
    if not experiment.model.sharing.shares:
        raise UserError(
            "compare: model.sharing=separate shares no layers, so there is no sharing to compare: use "
            "model.sharing=shared"
        )
    if not experiment.validates:
        raise UserError("compare: arms are chosen by the validation split: give data.validation a share")
    plain = _plain(as_compared(experiment))
    assert plain.tuning is not None
    searched = plain.tuning.model_copy(update={"space": {**plain.tuning.space, WEIGHTS: Simplex(simplex=True)}})
    shared = [Arm(EQUAL, plain, compared=True)]
    shared += [Arm(TUNED, plain.model_copy(update={"tuning": searched}), compared=True)]
    shared += [Arm(method, it, compared=True) for method, it in _methods(experiment, plain).items()]
    return shared + alone(plain, compared=True)


def as_compared(experiment: Experiment) -> Experiment:
    """The experiment with the study of a comparison: `compare.seeds` and `compare.trials` are names of its settings.

    Raises:
        UserError: The trials cannot be dealt out to the replicates.
    """
    own, tuning = experiment.compare, experiment.tuning or TuningSettings()
    trials = tuning.trials if own.trials is None else own.trials
    given = {"replicates": own.seeds or tuning.replicates, "trials": trials, "timeout": None}
    found = experiment.model_copy(update={"tuning": tuning.model_copy(update=given)})
    try:
        found.check_trials()
    except ValueError as error:
        raise UserError(f"compare: {error}") from None
    return found


def _plain(experiment: Experiment) -> Experiment:
    """The experiment with equal weights, and as the comparison trains all its arms."""
    begun = replicated(under_base(experiment))
    tuning = begun.tuning
    assert tuning is not None
    # Under no condition: what it would name may not be searched here.
    space = {key: tuning.space.get(key, it).model_copy(update={"when": {}}) for key, it in SPACE.items()}
    return begun.model_copy(
        update={
            "balancing": Balancing.of("fixed"),
            "baselines": Baselines(single=False, separate=None, reference=begun.baselines.reference),
            "tuning": tuning.model_copy(update={"space": space}),
        }
    )


def _methods(experiment: Experiment, plain: Experiment) -> dict[str, Experiment]:
    """The experiment with each method, at its defaults, or as the experiment sets its own one.

    Raises:
        UserError: A method that was asked for by name does not admit the experiment.
    """
    asked = experiment.compare.methods
    found = {}
    for method in Balancing.choices if asked == "all" else dict.fromkeys(("random", *asked)):
        own = experiment.balancing.method == method
        settings = experiment.balancing if own else Balancing.of(method)
        try:
            found[method] = with_values(plain.model_copy(update={"balancing": settings}), {})
        except ValidationError as error:
            if asked != "all":
                raise UserError(f"compare.methods: {one_line(error)}") from None
    found.pop("fixed", None)  # which is two arms already: equal and tuned
    return found
