"""The network of a stack, from the experiments of its slots."""

from collections.abc import Sequence

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.model import Conditioning, Network, TaskShape, build


def build_network(prepared: Prepared, experiments: Sequence[Experiment]) -> Network:
    """The network for the slots of these experiments, without parameters."""
    models = [experiment.model for experiment in experiments]
    return build(
        models[0].sharing,
        [model.trunk for model in models],
        [model.head for model in models],
        task_shapes(prepared),
        experiments[0].precision,
        conditioning(prepared, experiments),
    )


def task_shapes(prepared: Prepared) -> dict[str, TaskShape]:
    """What a network must know of each task."""
    return {
        name: TaskShape(
            task.source,
            it.features,
            task.outputs,
            it.scale,
            it.shape,
            it.categories,
            it.ids,
            task.definition.per_token,
            it.frame,
        )
        for name, task in prepared.tasks.items()
        for it in [prepared.sources[task.source]]
    }


def conditioning(prepared: Prepared, experiments: Sequence[Experiment]) -> Conditioning | None:
    """The preferences that condition the networks of these experiments; None where the method has none."""
    first = experiments[0].balancing
    if len(prepared.tasks) == 1 or not first.takes_preference:
        return None
    shares = first.default_preference(list(experiments[0].tasks))
    tasks = tuple(prepared.tasks)
    alphas = [experiment.balancing.values()["alpha"] for experiment in experiments]
    return Conditioning(tasks, tuple(shares[task] for task in tasks), alphas)
