"""The processes that train one network together, each on its part of every batch: ranks, as torch names them."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

Answer = TypeVar("Answer")


class Ranks:
    """One process by itself; several are `pipeline.training.together.Together`.

    Attributes:
        rank: Number of this process.
        count: How many there are, a power of two.
    """

    rank, count = 0, 1

    def share(self, parts: int) -> range:
        """Which of so many numbered parts are this process's: neighbours, and equally many for each."""
        own = parts // self.count
        return range(self.rank * own, (self.rank + 1) * own)

    def add(self, sums: Tensor) -> None:
        """Add up the sums of all processes, as the upper levels of a tree, in the place of each one's own."""

    def gathered(self, value: Any) -> list[Any]:
        """What each process brings, in their order."""
        return [value]

    def of_first(self, answer: Callable[[], Answer]) -> Answer:
        """What the first process answers, for all."""
        return answer()


ALONE = Ranks()
