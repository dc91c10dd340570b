"""Several processes that train one network: how they meet, add up, and follow the first one.

torchrun starts them, or the first one has them as hosts of a Ray cluster. The first process runs the command: it reads,
tracks, writes and prints. The others make the same stacks and train their chunks of every batch, as the first tells
them.
"""

import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from pipeline.errors import Failure
from pipeline.training.ranks import Ranks

Answer = TypeVar("Answer")

_CONNECTED_S = 20.0  # in which torchrun's store answers: it is there before the processes are
_JOINED_S = 600.0  # in which all have started
_LOOK_S = 0.2
_STEP_S = 600.0  # in which all have done a step: who does not is taken for lost
_COMMAND_S = 30 * 24 * 3600.0  # that the others wait while the first one prepares, validates and writes
_LOOPBACK = ("lo", "lo0")
_GAVE_UP = "gave up"


class RankLostError(Failure):
    """Another process is gone, or does not answer."""


class Together(Ranks):
    """Processes that have joined a group of torch.distributed.

    Args:
        steps: The group that adds up, in which nobody waits for long.
        commands: The group in which the first one tells what is to be done.
        store: Where the first one leaves word that it gave up.
        here: How many of them run on this machine.
    """

    def __init__(self, steps: Any = None, commands: Any = None, store: Any = None, here: int = 1) -> None:
        self.rank, self.count, self.here = dist.get_rank(), dist.get_world_size(), here
        self._steps, self._commands, self._store = steps, commands, store
        self._others: dict[tuple[torch.Size, torch.dtype], Tensor] = {}

    def add(self, sums: Tensor) -> None:
        """See `Ranks`: in each round two that are neighbours in the tree exchange sums, and both add them up."""
        key = (sums.shape, sums.dtype)
        if key not in self._others:
            self._others[key] = torch.empty_like(sums)
        other = self._others[key]
        with self._exchange():
            distance = 1
            while distance < self.count:
                partner = self.rank ^ distance
                calls = [dist.P2POp(dist.isend, sums, partner), dist.P2POp(dist.irecv, other, partner)]
                for work in dist.batch_isend_irecv(calls):
                    work.wait()
                _ = sums.add_(other) if self.rank < partner else torch.add(other, sums, out=sums)
                distance *= 2

    def gathered(self, value: Any) -> list[Any]:
        """See `Ranks`."""
        found: list[Any] = [None] * self.count
        with self._exchange():
            dist.all_gather_object(found, value, group=self._steps)
        return found

    def of_first(self, answer: Callable[[], Answer]) -> Answer:
        """See `Ranks`."""
        found: Answer = self._from_first(answer() if self.rank == 0 else None)
        return found

    def tell(self, method: str, *args: Any) -> None:
        """Let the others run a method of `Worker`."""
        self._from_first((method, args))

    def told(self) -> tuple[str, tuple[Any, ...]]:
        """What the first one tells next."""
        found: tuple[str, tuple[Any, ...]] = self._from_first(None)
        return found

    def give_up(self) -> None:
        """Leave word that this process ends: the others, who may wait for it anywhere, are to end without a word."""
        with suppress(RuntimeError):
            self._store.set(_GAVE_UP, "")

    @property
    def given_up(self) -> bool:
        """Whether the first process left such word."""
        with suppress(RuntimeError):
            return bool(self._store.check([_GAVE_UP]))
        return False

    def _from_first(self, value: Any) -> Any:
        held = [value]
        with self._exchange():
            dist.broadcast_object_list(held, src=0, group=self._commands)
        return held[0]

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            if isinstance(error, Failure):
                raise
            # Whoever started the processes ends all where one is gone: what is left to do is done in peace.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise RankLostError(
                f"another of the {self.count} processes ended or does not answer: see what it says, and start all of "
                "them again with --resume"
            ) from error


def join(
    rank: int, count: int, local: tuple[int, int], address: tuple[str, int], log: Callable[[str], None]
) -> Together:
    """Meet the other processes that torchrun started.

    Args:
        rank: Number of this process.
        count: How many there are.
        local: The same on this machine.
        address: Host and port of torchrun's store.
        log: Called with a line that says whom it waits for.

    Raises:
        Failure: The store or another process is not there.
    """
    local_rank, local_count = local
    here = [name for _, name in socket.if_nameindex() if name in _LOOPBACK]
    if local_count == count and here:  # nobody else has to reach them
        os.environ.setdefault("GLOO_SOCKET_IFNAME", here[0])
    store = _met(rank, count, address, log)
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    return grouped(store, rank, count, local_count)


def grouped(store: Any, rank: int, count: int, here: int) -> Together:
    """Make a group of all processes, which have come to a store.

    Args:
        store: Of torch.distributed.
        rank: Number of this process.
        count: How many there are.
        here: How many of them run on this machine.

    Raises:
        Failure: They do not reach one another.
    """
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=_seconds(_STEP_S))
        commands = dist.new_group(backend="gloo", timeout=_seconds(_COMMAND_S))
    except RuntimeError as error:
        raise Failure(f"the {count} processes cannot reach one another: {str(error).splitlines()[0]}") from error
    return Together(None, commands, store, here)


def first_store(address: str) -> tuple[Any, int]:
    """A store of the first process's own, at this address of its machine, and its port."""
    own = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    port = int(own.getsockname()[1])
    store = dist.TCPStore(  # type: ignore[attr-defined]
        address, port, is_master=True, wait_for_workers=False, master_listen_fd=own.detach()
    )
    return store, port


def store_at(address: tuple[str, int], rank: int) -> Any:
    """The first process's store, to which this process comes.

    Args:
        address: Host and port.
        rank: Number of this process.

    Raises:
        Failure: It is not reached.
    """
    host, port = address
    store = _connected(
        address, f"rank {rank} does not reach the first process at {host}:{port}: open all ports between nodes"
    )
    store.set(str(rank), "here")
    return store


def arrived(store: Any, count: int, look: Callable[[float], None]) -> None:
    """Wait in the first process until all others have come to its store.

    Args:
        store: The first process's.
        count: How many there are, the first included.
        look: Waits for so many seconds, and raises where another cannot come.

    Raises:
        Failure: They do not come.
    """
    deadline = time.monotonic() + _JOINED_S
    while missing := [it for it in range(1, count) if not store.check([str(it)])]:
        if time.monotonic() > deadline:
            raise Failure(f"{_named(missing)} of {count} did not start for {_JOINED_S:.0f} s")
        look(_LOOK_S)


def leave() -> None:
    """End what `join` began."""
    dist.destroy_process_group()


def _connected(address: tuple[str, int], refusal: str) -> Any:
    """A store that another process serves at this host and port.

    Raises:
        Failure: With this message, where it does not answer.
    """
    host, port = address
    try:
        # Asked first, since torch tells at length what it does not find.
        socket.create_connection(address, _CONNECTED_S).close()
        return dist.TCPStore(  # type: ignore[attr-defined]
            host, port, is_master=False, timeout=_seconds(_CONNECTED_S)
        )
    except (OSError, RuntimeError) as error:
        raise Failure(refusal) from error


def _met(rank: int, count: int, address: tuple[str, int], log: Callable[[str], None]) -> Any:
    """The store, once all processes have come to it."""
    host, port = address
    store = _connected(
        address,
        f"torchrun's store at {host}:{port} does not answer: where torchrun did not start this, unset "
        "TORCHELASTIC_USE_AGENT_STORE",
    )
    again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    met = dist.PrefixStore(f"headway/{again}", store)  # type: ignore[attr-defined]
    met.set(str(rank), "here")
    waited = 0.0
    while missing := [it for it in range(count) if not met.check([str(it)])]:
        with suppress(RuntimeError):  # the time is up
            met.wait([str(it) for it in missing], _seconds(_CONNECTED_S))
            break
        waited += _CONNECTED_S
        if waited >= _JOINED_S:
            raise Failure(
                f"rank {rank} of {count} waited {waited:.0f} s for {_named(missing)}: see why they do not start"
            )
        if rank == 0:
            log(f"waiting for {_named(missing)} of {count}")
    return met


def _named(ranks: list[int]) -> str:
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))}"


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
