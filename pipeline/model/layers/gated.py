"""What layers have in common that tell how much of what goes to whom."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from pipeline.model.layers.composite import Composite
from pipeline.stacked import Stacked


@dataclass
class Gated(Composite):
    """A layer whose gates can be read, see `pipeline.analysis.gates`.

    Legend of shapes beside those of `base`: E gates of a reader.
    """

    def readers(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each reader's name, and the names of what its E gates are on."""
        raise NotImplementedError

    def shares(self) -> Iterator[tuple[str, Tensor]]:
        """Of the last pass each reader's name and its gates [K, B, E], of those readers whose rows passed."""
        raise NotImplementedError

    def _room(self, name: str, like: Stacked, rows: int, width: int) -> Stacked:
        """A buffer that lies in memory as another does."""
        make = self.turned_scratch if like.lies_turned else self.scratch
        return make(name, like.tensor.size(0), rows, width)
