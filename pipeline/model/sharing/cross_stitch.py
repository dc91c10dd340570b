"""A trunk for each task, and units that mix them after each layer."""

from itertools import pairwise

from pipeline.model.layers import Constant, Expert, Layer, Mixture, Mixtures, outputs_of
from pipeline.model.sharing.base import Sharers, stages
from pipeline.model.trunks import Made


def cross_stitch(it: Sharers) -> Made:
    """The cross-stitch network of Misra et al. 2016, "Cross-stitch networks for multi-task learning", equation 1,
    for any number of tasks.

    After each stage, with activation, pooling and dropout, a task's next stage reads sum_s a_ts * x_s of all tasks'
    answers x_s. There is one unit a stage, for all its channels. The a_ts begin with `own_share` for s = t, the rest in
    equal parts. The paper trains them at a higher rate than the networks, which it takes from training on one task;
    here all is drawn and trained alike.
    """
    tasks = list(it.sources)
    columns = [it.copy(f"column.{task}")[0] for task in tasks]
    cuts = [stages(layers) for layers in columns]
    widths = [it.rows.features, *(outputs_of(stage) for stage in cuts[0])]
    others = (1.0 - it.sharing.own_share) / max(len(tasks) - 1, 1)
    own = 1.0 - others * (len(tasks) - 1)
    levels: list[Layer] = []
    for number, (inputs, _) in enumerate(pairwise(widths)):
        last = number == len(cuts[0]) - 1
        stream = dict.fromkeys(tasks, 0) if number == 0 else {task: place for place, task in enumerate(tasks)}
        experts = [Expert(task, cut[number], stream[task]) for task, cut in zip(tasks, cuts, strict=True)]
        mixtures = [
            Mixture(
                task,
                [Constant(tuple(own if other == task else others for other in tasks))],
                tuple(range(len(tasks))),
                source=it.sources[task] if last else None,
            )
            for task in tasks
        ]
        levels.append(Mixtures(experts, mixtures, inputs))
    return levels, widths[-1]
