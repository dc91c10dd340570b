"""Where slots train: hosts, and the engines that provide them.

A host runs the methods of `pipeline.training.workers.processes.Worker`, one call after the other in the order of the
calls: this process, a worker process, or an actor on another machine. The pool knows hosts by this interface only.
"""

from collections.abc import Hashable, Sequence
from typing import Any, Protocol

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.training.slot import Slot, SlotState


class HostLostError(Failure):
    """A host is gone, or does not answer: what it trained is trained again elsewhere. It says which and why."""


class Host(Protocol):
    """Runs calls; its stacks and states are lost with it."""

    @property
    def name(self) -> str:
        """In messages, such as `worker process 2` or `node 10.0.0.3, host 1`."""

    @property
    def pending(self) -> int:
        """Calls without an answer so far."""

    @property
    def lag(self) -> float:
        """Seconds until it can begin; 0 once it has started."""

    @property
    def alive(self) -> bool:
        """Whether it can be called."""

    def call(self, method: str, *args: Any) -> None:
        """Begin to run a method of `Worker`, after the calls before it.

        Raises:
            HostLostError: It is gone.
        """

    def result(self) -> Any:
        """Wait for the answer to the oldest call that has none.

        Raises:
            Exception: What the call raised.
            HostLostError: It is gone.
        """

    def close(self) -> None:
        """End it, whatever it does."""


class Engine(Protocol):
    """Provides hosts, and keeps them from one pool to the next.

    Attributes:
        trains_here: Whether this process is one of the hosts.
    """

    trains_here: bool

    def take(self, count: int) -> list[Host]:
        """So many hosts, or all there are where there are fewer; started, or starting."""

    def joined(self) -> list[Host]:
        """Hosts that are new since the last call: of nodes that joined, or in place of lost ones."""

    def ready(self, hosts: Sequence[Host], seconds: float | None) -> list[Host]:
        """Those whose oldest call is answered, and those that are gone; waits until there is one, or for so long."""

    def close(self) -> None:
        """End all hosts."""


class Pool(Protocol):
    """Where slots train, see `WorkerPool`."""

    def add(self, name: Hashable, prepared: Prepared, slots: Sequence[Slot], states: dict[str, SlotState]) -> None:
        """Begin to train slots that wait for each other after each validation."""

    def advance(self) -> list[SlotState]:
        """The states of slots that were validated since; empty once all wait or none runs."""

    def go(self, name: Hashable) -> None:
        """Let them go on."""

    def leave(self, names: list[str]) -> None:
        """Remove slots from their stacks."""

    def states(self, name: Hashable) -> list[SlotState]:
        """All slots with their arrays."""

    def remove(self, name: Hashable) -> list[SlotState]:
        """Forget them; their last states with their arrays."""
