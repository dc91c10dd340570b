"""Every way of sharing that is more than one trunk."""

from collections.abc import Callable, Mapping

from pipeline.config.sharing import SharingSettings
from pipeline.model.sharing.base import Sharers
from pipeline.model.sharing.cross_stitch import cross_stitch
from pipeline.model.sharing.dselect_k import dselect_k
from pipeline.model.sharing.mmoe import mmoe
from pipeline.model.sharing.mtan import mtan
from pipeline.model.sharing.ple import cgc, ple
from pipeline.model.trunks import Made, Rows, Settings, entrance

_KINDS: dict[str, Callable[[Sharers], Made]] = {
    "cross_stitch": cross_stitch,
    "mmoe": mmoe,
    "cgc": cgc,
    "ple": ple,
    "dselect_k": dselect_k,
    "mtan": mtan,
}


def make_shared(name: str, sharing: SharingSettings, trunks: Settings, rows: Rows, sources: Mapping[str, str]) -> Made:
    """The layers under the heads of K slots, and H: they answer [B, T * H], each task's H values after the other's.

    Args:
        name: Names its draws.
        sharing: How the tasks share.
        trunks: The slots' settings.
        rows: What passes through it.
        sources: Each task's source.

    Raises:
        UserError: The trunk cannot take such rows, or cannot be shared so.
    """
    layers, inner = entrance(trunks, rows)
    own, width = _KINDS[sharing.kind](Sharers(name, sharing, trunks, inner, sources))
    return [*layers, *own], width
