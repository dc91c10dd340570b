"""Where slots train: hosts, and the engines that provide them.

A host runs the methods of `pipeline.training.workers.processes.Worker`, one call after the other in the order of the
calls: this process, a worker process, or an actor on another machine. The pool knows hosts by this interface only.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from pipeline.errors import Failure


class HostLostError(Failure):
    """A host is gone, or does not answer: what it trained is trained again elsewhere. It says which and why."""


class Host(Protocol):
    """Runs calls; its stacks and states are lost with it.

    Attributes:
        name: In messages, such as `worker process 2` or `node 10.0.0.3, host 1`.
        pending: Calls without an answer so far.
    """

    name: str
    pending: int

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
