"""A host that trains its part of each batch of a network that several processes train, as the first of them says."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pipeline.data.prepared import Prepared
from pipeline.training.slot import Slot, SlotState
from pipeline.training.together import grouped, leave, store_at
from pipeline.training.workers.processes import Worker

INTERFACE = "GLOO_SOCKET_IFNAME"
"""The variable that says over which of a machine's networks gloo's processes reach it."""


class Follower:
    """Has the stacks that the first process has; what it answers is nothing, but an error where there is one."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def meet(self, rank: int, count: int, here: int, store: tuple[str, int], address: str) -> None:
        """Meet the others.

        Args:
            rank: Number of this process.
            count: How many there are.
            here: How many of them run on this machine.
            store: Host and port of the first one's store.
            address: Of this machine, as the others reach it.

        Raises:
            Failure: They are not reached.
        """
        if name := interface(address):
            os.environ[INTERFACE] = name
        self._worker = Worker(grouped(store_at(store, rank), rank, count, here))

    def open(self, prepared: Prepared, blocks: Mapping[int, list[Slot]], states: dict[str, SlotState]) -> None:
        """See `Worker`."""
        self._run("open", prepared, blocks, states)

    def advance(self, number: int) -> None:
        """See `Worker`."""
        self._run("advance", number)

    def leave(self, names: list[str]) -> None:
        """See `Worker`."""
        self._run("leave", names)

    def release(self, numbers: list[int], names: list[str]) -> None:
        """See `Worker`."""
        self._run("release", numbers, names)

    def clear(self) -> None:
        """See `Worker`."""
        self._run("clear")

    def _run(self, method: str, *args: Any) -> None:
        assert self._worker is not None
        try:
            getattr(self._worker, method)(*args)
        except Exception:
            with suppress(RuntimeError):
                leave()  # else the others would wait for this one
            raise


def interface(address: str) -> str | None:
    """The name of this machine's network interface that has an address; None where that is not known."""
    import psutil  # comes with Ray

    for name, found in psutil.net_if_addrs().items():
        if any(it.family in (socket.AF_INET, socket.AF_INET6) and it.address == address for it in found):
            return str(name)
    return None
