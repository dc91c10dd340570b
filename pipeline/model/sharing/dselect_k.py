"""Experts for all tasks, of which each task comes to choose a few."""

from pipeline.model.layers import Constant, Layer, Selection
from pipeline.model.sharing.base import Sharers
from pipeline.model.sharing.mmoe import mixed
from pipeline.model.trunks import Made


def dselect_k(it: Sharers) -> Made:
    """DSelect-k of Hazimeh et al. 2021, arXiv 2106.03760, with the static gates of its section 2.2: see `Selection`.

    A task's gates are the same for all rows. Logits begin uniform in a hundredth of the smoothing to either side, as in
    the authors' code, so that all experts begin alike. The paper's penalty on the entropy of choices is left out.
    """
    sharing = it.sharing

    def gate() -> list[Layer]:
        selection = Selection(sharing.experts, sharing.chosen, sharing.smoothing)
        return [Constant((0.0,) * selection.logits, sharing.smoothing / 100), selection]

    return mixed(it, gate)
