"""Experts for all tasks, of which each task comes to choose a few."""

from pipeline.model.layers import Selection
from pipeline.model.sharing.base import Sharers
from pipeline.model.sharing.mmoe import mixed
from pipeline.model.trunks import Made


def dselect_k(it: Sharers) -> Made:
    """DSelect-k of Hazimeh et al. 2021, arXiv 2106.03760, with its static gates, see `Selection`.

    A task's gates are the same for all rows. The paper's penalty on the entropy of choices is left out.
    """
    own = it.sharing
    return mixed(it, lambda: [Selection(own.experts, own.chosen, own.smoothing)])
