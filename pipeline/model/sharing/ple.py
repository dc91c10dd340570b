"""Experts for all tasks and experts of each task's own, once or in several levels."""

from collections.abc import Callable
from itertools import pairwise

from pipeline.model.layers import Expert, Layer, Mixture, Mixtures, outputs_of
from pipeline.model.sharing.base import ALL, Sharers, stages
from pipeline.model.trunks import Made


def cgc(it: Sharers) -> Made:
    """The customized gate control of Tang et al. 2020, "Progressive layered extraction (PLE): a novel multi-task
    learning (MTL) model for personalized recommendations".

    A task's gate mixes its own experts and those of all tasks. Gates have a bias, which the paper's have not.
    """
    return _extracted(it, lambda layers: [layers])


def ple(it: Sharers) -> Made:
    """The progressive layered extraction of the same paper.

    Each stage of the trunk is a level. Between levels a mixture of all experts goes to the experts of all tasks, and
    each task's mixture to its own.
    """
    return _extracted(it, stages)


def _extracted(it: Sharers, cut: Callable[[list[Layer]], list[list[Layer]]]) -> Made:
    copies = {f"{ALL}.{index}": ALL for index in range(it.sharing.experts)}
    copies |= {f"{task}.{index}": task for task in it.sources for index in range(it.sharing.own_experts)}
    made = {name: it.copy(f"expert.{name}") for name in copies}
    cuts = {name: cut(layers) for name, (layers, _) in made.items()}
    one = next(iter(cuts.values()))
    widths = [it.rows.features, *(outputs_of(stage) for stage in one)]
    levels: list[Layer] = []
    for number, (inputs, _) in enumerate(pairwise(widths)):
        experts = {name: (owner, cuts[name][number]) for name, owner in copies.items()}
        levels.append(_level(it, experts, inputs, first=number == 0, last=number == len(one) - 1))
    return levels, widths[-1]


def _level(it: Sharers, experts: dict[str, tuple[str, list[Layer]]], inputs: int, first: bool, last: bool) -> Mixtures:
    """One level: each task's mixture, and that for the experts of all tasks but in the last.

    Args:
        it: What shares.
        experts: By name whose an expert is, and its layers.
        inputs: Values of each of the streams that it reads.
        first: It reads the rows.
        last: Heads read it, each at the rows of its task's source.
    """
    owners = [*it.sources, ALL]
    stream = dict.fromkeys(owners, 0) if first else {name: place for place, name in enumerate(owners)}
    source = {**it.sources, ALL: None} if last else dict.fromkeys(owners)
    names = list(experts)
    mixtures = []
    for owner in owners[: -1 if last else None]:
        read = tuple(names.index(name) for name, (whose, _) in experts.items() if owner == ALL or whose in (owner, ALL))
        mixtures.append(Mixture(owner, it.gate(len(read), inputs, first), read, stream[owner], source[owner]))
    made = [Expert(name, layers, stream[owner], source[owner]) for name, (owner, layers) in experts.items()]
    return Mixtures(made, mixtures, inputs)
