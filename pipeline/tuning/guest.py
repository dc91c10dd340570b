"""A second coordinator of a study that, instead of only waiting, lends its machine to the first one, through Ray."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pipeline.errors import Failure, UserError
from pipeline.tracking import process
from pipeline.training.workers.ray.cluster import Found, check_cluster, no_token
from pipeline.tuning.lease import OWN_CLUSTER, described
from pipeline.urls import is_loopback

_JOIN = "--join"


class Lent(Protocol):
    """This machine as a node of a cluster, see `pipeline.training.workers.ray.lent.LentNode`."""

    @property
    def alive(self) -> bool:
        """Whether it still runs."""

    def close(self) -> None:
        """End it."""


class Guest:
    """This machine, as whoever coordinates a study has it.

    Args:
        lend: Makes this machine a node of a cluster.
        what: What it gives, such as `2 cores`.
        say: Prints a line.
        warn: Prints a line that the user should read.
    """

    def __init__(
        self, lend: Callable[[Found], Lent], what: str, say: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        self._lend, self._what, self._say, self._warn = lend, what, say, warn
        self._of: str | None = None
        self._node: Lent | None = None

    def meet(self, holder: Mapping[str, Any]) -> None:
        """Join the cluster of who holds the study's lease, if it is another one than before.

        Args:
            holder: See `pipeline.tuning.lease.holder_of`.

        Raises:
            UserError: Ray is not installed.
            Failure: The first one that it meets has no cluster, or none that this machine can join.
        """
        if holder["token"] == self._of:
            self._look()
            return
        is_first, self._of = self._of is None, str(holder["token"])
        self.close()
        try:
            self._join(holder)
        except (UserError, Failure) as error:
            if is_first:
                raise
            self._say(f"{error}: waiting until that is done or gone")

    def close(self) -> None:
        """Leave the cluster."""
        if self._node is not None:
            self._node.close()
            self._node = None
            self._say("this machine has left the Ray cluster")

    def _look(self) -> None:
        """Say so if the node has ended."""
        if self._node is not None and not self._node.alive:
            self._node.close()
            self._node = None
            self._say("this machine's node of the Ray cluster has ended: waiting until the study is done")

    def _join(self, holder: Mapping[str, Any]) -> None:
        who, address = described(dict(holder)), holder.get("cluster")
        run = f"the study is run by {who} (its clock)"
        is_here = process.is_here(holder["process"])
        if address is None:
            raise Failure(
                f"{_JOIN}: {run}, which trains on no Ray cluster: start that one with "
                "--engine ray --address HOST:PORT, or leave --join out here to wait for it"
            )
        if not is_here and (address == OWN_CLUSTER or is_loopback(address.rpartition(":")[0].strip("[]"))):
            raise Failure(
                f"{_JOIN}: {run}, whose Ray cluster listens on its own machine only: start that one with "
                "--engine ray --address HOST:PORT, or leave --join out here to wait for it"
            )
        found = None if address == OWN_CLUSTER else check_cluster(address, f"{_JOIN}: {run}, at {address}", joins=True)
        if found is None or found.here:
            self._say(f"{run}, whose Ray cluster has this machine already: waiting until that is done or gone")
            return
        if not found.tokens:
            self._warn(f"{no_token(found.address)}, this machine among them")
        self._node = self._lend(found)
        self._say(f"{run}: it is given {self._what} of this machine, in the Ray cluster at {address}, until it is done")
