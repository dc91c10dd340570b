"""The first process that trains a network together with others, and the others, which do as it tells them."""

from typing import Any

from pipeline.machine import available_memory
from pipeline.training.together import Together
from pipeline.training.workers.memory import check
from pipeline.training.workers.processes import LocalWorker, Worker

_FOLLOWED = ("open", "advance", "leave", "release", "clear")
_END = "end"


class FirstWorker(LocalWorker):
    """A worker in this process whose stacks the other processes have too.

    Args:
        ranks: This process is the first of them.
    """

    def __init__(self, ranks: Together) -> None:
        super().__init__(Worker(ranks))
        self._ranks = ranks

    def call(self, method: str, *args: Any) -> None:
        """Run a method of `Worker`, here and in the other processes."""
        if method == "open":
            prepared, stacks, _ = args
            # Each process on this machine has them.
            check(
                prepared, [slot for slots in stacks.values() for slot in slots], available_memory() // self._ranks.here
            )
        if method in _FOLLOWED:
            self.tell(method, *args)
        super().call(method, *args)

    def tell(self, method: str, *args: Any) -> None:
        """Let the other processes run it."""
        self._ranks.tell(method, *args)


def follow(ranks: Together) -> None:
    """Do as the first process tells, until it ends.

    Raises:
        Failure: A process is lost, or cannot do what it should.
    """
    worker = Worker(ranks)
    while True:
        method, args = ranks.told()
        if method == _END:
            return
        getattr(worker, method)(*args)


def end(ranks: Together) -> None:
    """Tell the other processes that all is done."""
    ranks.tell(_END)
