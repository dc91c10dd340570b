"""From settings to the layers of a way of sharing that is more than one trunk."""

from collections.abc import Mapping

from pipeline.config.sharing import Sharing
from pipeline.model.sharing.base import Sharers
from pipeline.model.trunks import Made, Rows, Settings, entrance
from pipeline.plugins import named


def make_shared(name: str, sharing: Sharing, trunks: Settings, rows: Rows, sources: Mapping[str, str]) -> Made:
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
    own, width = named(sharing.implementation)(Sharers(name, sharing, trunks, inner, sources))
    return [*layers, *own], width
