"""What layers have in common that tell how much of what goes to whom."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import Tensor

from pipeline.model.layers.base import Pass
from pipeline.model.layers.composite import Composite
from pipeline.stacked import Stacked


@dataclass
class Gated(Composite):
    """A layer whose gates can be read, see `pipeline.analysis.gates`.

    Legend of shapes beside those of `base`: E gates of a reader.
    """

    _this: Pass = field(init=False, repr=False, compare=False)  # the last one forward

    def readers(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each reader's name, and the names of what its E gates are on."""
        raise NotImplementedError

    def shares(self) -> Iterator[tuple[str, Tensor]]:
        """Of the last pass each reader's name and its gates [K, B, E], of those readers whose rows passed."""
        raise NotImplementedError

    def _stream(self, it: Stacked, stream: int, width: int, source: str | None = None) -> Stacked:
        """One of the streams of this width that lie side by side, at all rows or at those of a source."""
        own = it.columns(slice(stream * width, (stream + 1) * width))
        return own if source is None else own.part(self._this.rows[source])
