"""From settings to the layers of a trunk."""

from pipeline.config.trunks import Trunk
from pipeline.errors import UserError
from pipeline.model.trunks.base import Made, Rows, Settings, entrance
from pipeline.plugins import named


def make_trunk(name: str, trunks: Settings, rows: Rows) -> Made:
    """The trunk of K slots and the width of its output.

    Args:
        name: Names its draws.
        trunks: The slots' settings.
        rows: What passes through it.

    Raises:
        UserError: It cannot take such rows, or a module of the user's own is not there or breaks its contract.
    """
    layers, inner = entrance(trunks, rows)
    body, width = make_body(name, trunks, inner)
    return [*layers, *body], width


def make_body(name: str, trunks: Settings, rows: Rows) -> Made:
    """The same without what embeds the rows, see `entrance`."""
    trunk = trunks[0]
    if rows.ids and not (trunk.text or trunk.own_path):
        readers = " or ".join(kind for kind, it in Trunk.choices.items() if it.text)
        raise UserError(f"trunk '{trunk.kind}' cannot read the text of {', '.join(rows.sources)}: use {readers}")
    made: Made = named(trunk.implementation)(name, trunks, rows)
    return made
