"""Experts for all tasks, and a gate for each."""

from collections.abc import Callable

from pipeline.model.layers import Expert, Layer, Mixture, Mixtures
from pipeline.model.sharing.base import Sharers
from pipeline.model.trunks import Made


def mmoe(it: Sharers) -> Made:
    """The multi-gate mixture of experts of Ma et al. 2018, "Modeling task relationships in multi-task learning with
    multi-gate mixture-of-experts", equations 6 and 7.

    Every task reads sum_e g_e(x) * f_e(x), with its own gates g(x) = softmax(W x + b); the paper's have no b.
    """
    return mixed(it, lambda: it.gate(it.sharing.experts, it.rows.features, first=True))


def mixed(it: Sharers, gate: Callable[[], list[Layer]]) -> Made:
    """Experts for all tasks, and for each a gate on all of them."""
    made = [it.copy(f"expert.{index}") for index in range(it.sharing.experts)]
    experts = [Expert(str(index), layers) for index, (layers, _) in enumerate(made)]
    every = tuple(range(len(experts)))
    mixtures = [Mixture(task, gate(), every, source=source) for task, source in it.sources.items()]
    return [Mixtures(experts, mixtures, it.rows.features)], made[0][1]
