"""One network over several processes without torchrun: this one is the first rank, hosts of Ray's are the others."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from pipeline.errors import Failure
from pipeline.training.following import FirstWorker
from pipeline.training.together import RankLostError, Together, arrived, first_store, grouped, leave
from pipeline.training.workers.hosts import HostLostError
from pipeline.training.workers.processes import LocalWorker
from pipeline.training.workers.ray.engine import RayEngine
from pipeline.training.workers.ray.follower import INTERFACE, interface
from pipeline.training.workers.ray.host import RayHost

_LOOPBACK = "127.0.0.1"
_ENDED_S = 5.0  # in which a host that is gone, or failed, says so


class Company:
    """The processes that train each network together; they meet when they are first needed.

    Args:
        engine: Provides hosts, made by `actor.follower`.
        count: How many processes there are, this one included.
        device: `cpu` or `cuda`, of which each has one.
    """

    def __init__(self, engine: RayEngine, count: int, device: str = "cpu") -> None:
        self._engine, self._count, self._device = engine, count, device
        self._hosts: list[RayHost] = []
        self._ranks: Together | None = None

    def first(self) -> LocalWorker:
        """The worker in this process.

        Raises:
            Failure: There are too few hosts, or they cannot meet.
        """
        if self._ranks is None:
            self._ranks = self._met()
        return _First(self._ranks, self._hosts, self._lost)

    def close(self) -> None:
        """End the other processes."""
        if self._ranks is not None:
            leave()
        self._engine.close()

    def _met(self) -> Together:
        self._hosts = self._taken()
        places = [self._engine.address, *(it.node.address for it in self._hosts)]
        if len(set(places)) == 1:  # nobody else has to reach them
            places = [_LOOPBACK] * self._count
        if name := interface(places[0]):
            os.environ[INTERFACE] = name
        store, port = first_store(places[0])
        for rank, host in enumerate(self._hosts, 1):
            here = places.count(places[rank])
            host.call("meet", rank, self._count, here, (places[0], port), places[rank])
        arrived(store, self._count, self._look)
        ranks = grouped(store, 0, self._count, places.count(places[0]))
        for host in self._hosts:
            host.result()
        return ranks

    def _taken(self) -> list[RayHost]:
        """The hosts, beside this process.

        Raises:
            Failure: There are too few.
        """
        has_gpu = self._device == "cuda"
        wanted = self._count - 1 + has_gpu  # this process's GPU is that of a host which only reserves it
        hosts = [it for it in self._engine.take(wanted) if isinstance(it, RayHost)]
        if len(hosts) < wanted:
            whom = "GPUs" if has_gpu else "hosts beside this process"
            raise Failure(
                f"training.data_parallel {self._count} takes {wanted} {whom}, and the Ray cluster gives {len(hosts)}: "
                "lower it, or add nodes"
            )
        if not has_gpu:
            return hosts
        reserving = next((it for it in hosts if it.node.id == self._engine.node), None)
        if reserving is None:
            raise Failure("training.data_parallel: the Ray cluster gives no GPU of this machine, which needs one, too")
        take_gpu(reserving.run("os:getenv", "CUDA_VISIBLE_DEVICES"))
        return [it for it in hosts if it is not reserving]

    def _look(self, seconds: float) -> None:
        """Wait for hosts that answer before all have met.

        Raises:
            Failure: What went wrong there.
        """
        for host in self._engine.ready(self._hosts, seconds):
            if isinstance(host, RayHost) and host.pending:
                host.result()

    def _lost(self) -> Failure | None:
        """What a host said when it failed, or that it is gone; None where nothing is known within seconds."""
        for host in self._engine.ready([it for it in self._hosts if it.pending], _ENDED_S):
            try:
                while host.pending:
                    host.result()
            except HostLostError as lost:
                return Failure(f"{lost}: start again with --resume, which goes on from the last checkpoint")
            except RankLostError:
                continue
            except Failure as failure:
                return failure
        return None


def take_gpu(name: str) -> None:
    """Let this process train on the GPU that Ray gave to one of its hosts, by its name in CUDA_VISIBLE_DEVICES."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    torch.cuda.set_device(visible.split(",").index(name) if visible else int(name))


class _First(FirstWorker):
    """The first process's worker, which tells the others by calls.

    Args:
        ranks: This process is the first of them.
        hosts: The others.
        lost: Finds out why one is lost.
    """

    def __init__(self, ranks: Together, hosts: Sequence[RayHost], lost: Callable[[], Failure | None]) -> None:
        super().__init__(ranks)
        self._hosts, self._lost = hosts, lost

    def call(self, method: str, *args: Any) -> None:
        """See `FirstWorker`.

        Raises:
            Failure: Another process is lost, or failed.
        """
        try:
            super().call(method, *args)
            for host in self._hosts:
                while host.pending:
                    host.result()
        except (RankLostError, HostLostError) as error:
            # The pool would go on without a host that is lost.
            raise self._lost() or Failure(str(error)) from None

    def tell(self, method: str, *args: Any) -> None:
        """See `FirstWorker`."""
        for host in self._hosts:
            host.call(method, *args)
