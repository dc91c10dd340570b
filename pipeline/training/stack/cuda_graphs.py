"""CUDA graphs: the GPU calls of a training step, recorded once and replayed with one call.

A small step takes less time on a GPU than Python takes to launch it. A replay reads and writes the same memory each
time, so all that changes from step to step must lie in it.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

Record = Callable[[], AbstractContextManager[Callable[[], None]]]
"""Opens a context that records the GPU calls made in it, without running them, and yields what replays them."""

_MOST = 16  # graphs that are kept: each has memory of its own


class StepGraphs:
    """Graphs of steps: steps of equal keys make the same calls.

    The first step of a key runs as written, and may allocate the memory that it keeps; the second is recorded, and that
    and all later ones are replayed.

    Args:
        record: Records a step.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._seen: set[Hashable] = set()
        self._replays: dict[Hashable, Callable[[], None]] = {}

    def replay(self, key: Hashable) -> bool:
        """Run the recorded step of this key; False where there is none."""
        if (replay := self._replays.get(key)) is None:
            return False
        replay()
        return True

    @contextmanager
    def step(self, key: Hashable) -> Iterator[None]:
        """Run the step in this context, or record and replay it where it is the second of its key."""
        if key not in self._seen or len(self._replays) >= _MOST:
            self._seen.add(key)
            yield
            return
        with self._record() as replay:
            yield
        self._replays[key] = replay
        replay()


@contextmanager
def cuda_graph() -> Iterator[Callable[[], None]]:
    """Record on the current GPU: a `Record`."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        yield graph.replay
