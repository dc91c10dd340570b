"""CUDA graphs: what a step asks of the GPU, recorded once and replayed with one call.

A small step takes less time on a GPU than Python takes to ask for it. What is replayed reads and writes the same memory
each time, so all that changes from step to step must lie in it.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import torch

Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Records what a function does, without doing it, and answers what does it."""

_MOST = 16  # graphs that are kept: each has memory of its own

_Key = TypeVar("_Key", bound=Hashable)


class Recorded(Generic[_Key]):
    """Functions that do the same for equal keys: recorded and replayed.

    The first call with a key is a plain one, in which the function may make the memory that it keeps; the second is
    recorded, and that and all later ones are replayed.

    Args:
        record: None calls the function each time.
    """

    def __init__(self, record: Record | None) -> None:
        self._record = record
        self._seen: set[_Key] = set()
        self._replays: dict[_Key, Callable[[], None]] = {}

    def __call__(self, key: _Key, function: Callable[[], None]) -> None:
        """Do what the function does."""
        if self._record and key in self._seen and key not in self._replays and len(self._replays) < _MOST:
            self._replays[key] = self._record(function)
        if key in self._replays:
            self._replays[key]()
        else:
            self._seen.add(key)
            function()


def cuda_graph(function: Callable[[], None]) -> Callable[[], None]:
    """Record on the current GPU: a `Record`."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph.replay
