"""The coordinator's side of a host: calls to an actor, whose answers come in their order."""

import pickle
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from pipeline.training.workers.hosts import HostLostError
from pipeline.training.workers.ray.cluster import Node

_PROTOCOL = 5


class RayHost:
    """A host that is an actor.

    Args:
        actor: Handle of an `Actor`.
        node: Where it is.
        number: Of the host, among those of its node.
        prepare: Called with the arguments of `open` before it is called; returns those that the node understands.
        answered: Set as soon as any call is answered, or cannot be any more.

    Attributes:
        name: In messages.
        pending: Calls without an answer so far.
        alive: Whether it can be called.
        lag: Seconds until it can begin: those that it is given have started.
    """

    lag = 0.0

    def __init__(
        self, actor: Any, node: Node, number: int, prepare: Any = None, answered: threading.Event | None = None
    ) -> None:
        self.node, self.name = node, f"{node}, host {number}"
        self.alive, self.pending = True, 0
        self._actor, self._prepare, self._answered = actor, prepare, answered or threading.Event()
        self._answers: deque[Future[bytes]] = deque()

    @property
    def answers(self) -> bool:
        """Whether `result` needs not wait."""
        return not self.alive or (bool(self._answers) and self._answers[0].done())

    def call(self, method: str, *args: Any) -> None:
        """Begin to run a method of the worker, after the calls before it.

        Raises:
            HostLostError: It is gone, or its node cannot get what it needs.
        """
        if method == "open" and self._prepare is not None:
            args = self._prepare(self, *args)
        self._answers.append(self._sent(self._actor.work, method, args))
        self.pending += 1

    def result(self) -> Any:
        """Wait for the answer to the oldest call that has none.

        Raises:
            Exception: What the call raised.
            HostLostError: It is gone.
        """
        self.pending -= 1
        return self.answer(self._answers.popleft())

    def run(self, name: str, *args: Any) -> Any:
        """Run a function of the package there, after the calls before it, and wait for its answer.

        Args:
            name: `package.module:function`.
            args: Its arguments.

        Raises:
            Exception: What the function raised.
            HostLostError: It is gone.
        """
        return self.answer(self.begin(name, *args))

    def begin(self, name: str, *args: Any) -> "Future[bytes]":
        """As `run`, without waiting."""
        return self._sent(self._actor.run, name, args)

    def about(self, places: Sequence[str], last: Sequence[str], digest: str) -> "Future[dict[str, Any]]":
        """Begin to ask what the process has, see `Actor.about`."""
        return self._actor.about.remote(list(places), list(last), digest).future()

    def search(self, folder: str) -> None:
        """Let it search modules in a folder, from its next call on."""
        self._actor.search.remote(folder)

    def lose(self, reason: str) -> HostLostError:
        """It can be called no more; an error that says so."""
        self.close()
        return HostLostError(f"{self.name} is lost: {reason}")

    def close(self) -> None:
        """End it, whatever it does."""
        if self.alive:
            import ray

            self.alive = False
            if ray.is_initialized():
                ray.kill(self._actor, no_restart=True)

    def answer(self, future: "Future[bytes]") -> Any:
        """Wait for what a call answers; see `result`."""
        # Python's own wait, and not Ray's: a signal's handler may end it with an exception of its own.
        from ray.exceptions import RayError

        try:
            succeeded, result = pickle.loads(future.result())  # noqa: S301 (of our own actor)
        except RayError as error:
            raise self.lose(reason(error)) from None
        if not succeeded:
            raise result
        return result

    def _sent(self, method: Any, name: str, args: Sequence[Any]) -> "Future[bytes]":
        if not self.alive:
            raise HostLostError(f"{self.name} is lost")
        answer: Future[bytes] = method.remote(name, pickle.dumps(tuple(args), _PROTOCOL)).future()
        answer.add_done_callback(lambda _: self._answered.set())
        return answer


def reason(error: Exception) -> str:
    """In a few words why Ray says that an actor is gone."""
    from ray.exceptions import ActorUnavailableError, OutOfMemoryError

    text = str(error)
    if (
        isinstance(error, OutOfMemoryError)
        or "OOM" in text.partition("Some common causes")[0]
        or "memory pressure" in text
    ):
        return "its node ran out of memory"
    if isinstance(error, ActorUnavailableError):
        return "its node does not answer"
    if "node" in text and ("died" in text or "dead" in text) and "worker process has died" not in text:
        return "its node died"
    return "its process ended"
