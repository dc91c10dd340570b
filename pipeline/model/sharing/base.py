"""From settings to the layers of a way of sharing: what it is given, and what several of them are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config.sharing import Sharing
from pipeline.errors import UserError
from pipeline.model.layers import Conv2d, Layer, Linear, Residual, Softmax
from pipeline.model.trunks import Made, Rows, Settings, entrance, make_body
from pipeline.plugins import named

ALL = "all"
"""The mixture that belongs to no task, and what experts of all tasks are called by; no task is called so."""


@dataclass(frozen=True)
class Sharers:
    """What shares, and what it shares.

    Attributes:
        name: Names its draws.
        sharing: How; the settings of that way.
        trunks: The slots' trunks.
        rows: What the trunks read.
        sources: Each task's source.
    """

    name: str
    sharing: Any
    trunks: Settings
    rows: Rows
    sources: Mapping[str, str]

    def copy(self, name: str) -> Made:
        """A trunk with values and draws of its own.

        Raises:
            UserError: It has no layers, or cannot take such rows.
        """
        layers, width = make_body(f"{self.name}.{name}", self.trunks, self.rows)
        if not layers:
            raise UserError(f"sharing '{self.sharing.kind}' needs a trunk that has layers: give it widths")
        return layers, width

    def gate(self, count: int, width: int, first: bool) -> list[Layer]:
        """A gate on so many experts: softmax(W x + b), with torch's initial values.

        Raises:
            UserError: The rows are text, of which a gate would read the numbers of tokens.
        """
        self.refuse_text("has gates that read the rows")
        return [Linear(width, count, first=first and not self.rows.embedded, last=True), Softmax()]

    def refuse_text(self, why: str) -> None:
        """Of ways to share that cannot be had with text.

        Raises:
            UserError: The rows are text.
        """
        if self.rows.ids:
            raise UserError(
                f"sharing '{self.sharing.kind}' {why}, and the rows of {', '.join(self.rows.sources)} are text: "
                "use shared, separate, cross_stitch or dselect_k"
            )


def stages(layers: list[Layer]) -> list[list[Layer]]:
    """A trunk cut before each layer of weights but the first: what follows one belongs to it."""
    cuts = [place for place, layer in enumerate(layers) if isinstance(layer, Linear | Conv2d | Residual)][1:]
    return [layers[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(layers)], strict=True)]


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
