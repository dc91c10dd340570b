"""Provides hosts on a Ray cluster: one a core, or one a GPU, over all nodes that may train.

Actors are never restarted by Ray, whose retried call would meet an empty host: lost ones are replaced here, and what
they trained is trained again from the states that the coordinator has.
"""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure, UserError
from pipeline.plugins import distribution, files, fingerprint
from pipeline.training.slot import Slot, SlotState
from pipeline.training.workers.hosts import Host, HostLostError
from pipeline.training.workers.ray import actor
from pipeline.training.workers.ray.cluster import Cluster, Found, Node, no_token
from pipeline.training.workers.ray.data import Shipment, moved, outermost
from pipeline.training.workers.ray.host import RayHost, reason
from pipeline.training.workers.ray.nodes import TOLERANCE, difference, refusal, wanted

_ROOT = Path(__file__).parents[4]
"""The folder with this package."""

_SCHEDULED_S = 25.0  # until a host runs, or the cluster has no room
_STARTED_S = 300.0  # until one has imported everything, maybe from a slow shared disk
_REFRESH_S = 1.0  # between two looks at the cluster's nodes
_STARTS = 3  # of a node whose hosts end before they have begun

_DATA, _BITS = f"{Shipment.__module__}:", "pipeline.training.workers.ray.bits:bits"


class RayEngine:
    """Hosts on a Ray cluster; connects when the first are taken.

    Args:
        found: The cluster; None starts one on this machine, which ends with the engine.
        project: The project's folder, where parts of the user's own are.
        device: `cpu` or `cuda`, on which hosts train.
        count: Hosts of a cluster of our own.
        mixed: Also take nodes that compute other bits.
        log: Called with a line that says what is done.
        warn: Called with a line that the user should read: on tokens, nodes that are not used, other bits.
        make: Makes what a host runs; by default what trains, and nodes are compared.

    Attributes:
        trains_here: Whether this process is one of the hosts: it is not.
    """

    trains_here = False

    def __init__(
        self,
        found: Found | None,
        project: Path,
        device: str = "cpu",
        count: int = 1,
        mixed: bool = False,
        log: Callable[[str], None] = lambda line: None,
        warn: Callable[[str], None] = lambda line: None,
        make: Callable[[], Any] = actor.training_worker,
    ) -> None:
        self._found, self._project, self._device, self._mixed = found, project, device, mixed
        self._log, self._warn = log, warn
        self._make, self._trains = make, make in (actor.training_worker, actor.follower)
        self._cluster: Cluster | None = None
        self._hosts: list[_Starting | RayHost] = []
        self._new: list[RayHost] = []
        self._refused: dict[str, str] = {}
        self._ends: Counter[str] = Counter()
        self._own, self._count, self._numbers = count, 0, Counter[str]()
        self._looked = float("-inf")
        self._answered = threading.Event()
        self._places: dict[tuple[str, Path], Path] = {}
        self._shipments: dict[Path, Shipment] = {}
        self._parts: dict[tuple[str, str], str | None] = {}

    def take(self, count: int) -> list[Host]:
        """So many hosts, or all there are where there are fewer.

        Raises:
            Failure: There is none.
        """
        cluster = self._connected()
        self._count = max(self._count, count)
        self._start(cluster.nodes())
        self._wait()
        self._new = []
        return [*self._started()[:count]]

    def joined(self) -> list[Host]:
        """Hosts that are new since the last call: of nodes that joined, or in place of lost ones.

        Raises:
            Failure: The head of the cluster does not answer any more, or no node that it has can train.
        """
        if self._cluster is None:
            return []
        if time.monotonic() - self._looked > _REFRESH_S:
            self._start(self._cluster.nodes())
        self._settle()
        if not self._hosts and self._refused:
            raise Failure(self._none())
        joined: list[Host] = [it for it in self._new if it.alive]
        self._new = []
        return joined

    def ready(self, hosts: Sequence[Host], seconds: float | None) -> list[Host]:
        """Those whose oldest call is answered, and those that are gone; waits until there is one, or for so long."""
        asked = [host for host in hosts if isinstance(host, RayHost)]
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            self._answered.clear()
            found: list[Host] = [host for host in asked if host.answers]
            left = None if until is None else until - time.monotonic()
            if found or (left is not None and left <= 0.0) or (asked and not any(host.pending for host in asked)):
                return found
            self._answered.wait(left)

    def close(self) -> None:
        """End all hosts, and a cluster of our own."""
        for host in self._hosts:
            host.close()
        self._hosts, self._new = [], []
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    @property
    def address(self) -> str:
        """Of this machine, as the cluster's nodes reach it; once hosts are taken."""
        import ray

        return str(ray.util.get_node_ip_address())

    @property
    def node(self) -> str:
        """The ID of this machine's node; once hosts are taken."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def _connected(self) -> Cluster:
        if self._cluster is None:
            has = {"cpus": 0, "gpus": self._own} if self._device == "cuda" else {"cpus": self._own, "gpus": 0}
            self._cluster = Cluster(self._found, **has)
            if self._found is not None and not self._found.tokens:
                self._warn(no_token(self._cluster.address))
        return self._cluster

    def _started(self) -> list[RayHost]:
        return [it for it in self._hosts if isinstance(it, RayHost) and it.alive]

    def _room(self, node: Node) -> int:
        return node.gpus if self._device == "cuda" else node.cpus

    def _start(self, nodes: Sequence[Node]) -> None:
        """Begin to start hosts until there are as many as are wanted, evenly over the nodes that have room."""
        self._looked = time.monotonic()
        alive = {node.id for node in nodes}
        self._hosts = [it for it in self._hosts if it.alive and it.node.id in alive]
        taken = Counter(it.node.id for it in self._hosts)
        fitting = [it for it in nodes if it.id not in self._refused]
        while len(self._hosts) < self._count:
            open_ = [it for it in fitting if taken[it.id] < self._room(it)]
            if not open_:
                return
            node = min(open_, key=lambda it: taken[it.id])
            taken[node.id] += 1
            self._numbers[node.id] += 1
            self._hosts.append(self._starting(node, self._numbers[node.id]))

    def _starting(self, node: Node, number: int) -> "_Starting":
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ray.cloudpickle.register_pickle_by_value(actor)
        gpu = {"num_gpus": 1} if self._device == "cuda" else {}
        made = ray.remote(actor.Actor).options(
            num_cpus=0 if gpu else 1,
            **gpu,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        )
        prepare = self._prepared if self._trains else None
        host = RayHost(made.remote(self._make), node, number, prepare, self._answered)
        return _Starting(host, host.about([str(_ROOT)], self._last, self._here["digest"]))

    @cached_property
    def _last(self) -> list[str]:
        """Folders that are searched last, as in this process: Ray puts some of them first."""
        program = os.path.dirname(os.path.realpath(sys.argv[0]))
        return list(dict.fromkeys([program, str(self._project), os.path.abspath(os.curdir)]))

    @cached_property
    def _here(self) -> dict[str, Any]:
        return wanted(_ROOT / actor.PACKAGE)

    @cached_property
    def _bits(self) -> str:
        from pipeline.training.workers.ray.bits import bits  # imports torch

        return bits(self._device)

    def _wait(self) -> None:
        """Wait until all hosts that start have started, or enough time has passed and there are some.

        Raises:
            Failure: There is none.
        """
        began = time.monotonic()
        while not self._started() or any(isinstance(it, _Starting) for it in self._hosts):
            if not self._hosts:  # all ended before they had begun
                assert self._cluster is not None
                self._start(self._cluster.nodes())
                began = time.monotonic()
            starting = [it for it in self._hosts if isinstance(it, _Starting)]
            left = began + (_STARTED_S if any(it.is_scheduled for it in starting) else _SCHEDULED_S) - time.monotonic()
            if not starting or left <= 0:
                break
            wait([it.answer for it in starting], left, FIRST_COMPLETED)
            self._settle()
        if not self._started():
            raise Failure(self._none())

    def _none(self) -> str:
        assert self._cluster is not None
        where = f"the Ray cluster at {self._cluster.address}"
        if self._refused:
            return f"no node of {where} can train: {next(iter(self._refused.values()))}"
        nodes = self._cluster.nodes()
        of = "GPUs" if self._device == "cuda" else "cores"
        in_all = f"{sum(map(self._room, nodes))} {of} on {len(nodes)} nodes"
        return f"{where} has started no host for {_SCHEDULED_S:.0f} s: it has {in_all}, which others may have taken"

    def _settle(self) -> None:
        """Go on with those that start and have answered."""
        for place, starting in enumerate(self._hosts):
            if isinstance(starting, _Starting) and starting.answer.done():
                try:
                    is_started = self._goes_on(starting)
                except HostLostError as lost:
                    self._ended(starting, str(lost))
                    continue
                if is_started:
                    self._ends[starting.node.id] = 0
                    self._hosts[place] = starting.host
                    self._new.append(starting.host)
        self._hosts = [it for it in self._hosts if it.alive]

    def _goes_on(self, starting: "_Starting") -> bool:
        """Whether a host has started, after what it just answered."""
        node = starting.node
        answer = starting.received()
        if not starting.is_scheduled:
            starting.is_scheduled = True
            if why := difference(self._here, answer) if self._trains else None:
                self._refuse(node, why)
                return False
            if not self._trains or (self._cluster is not None and self._cluster.own):
                return True
            starting.answer = starting.host.begin(_BITS, self._device)
            return False
        if answer != self._bits:
            if not self._mixed:
                self._refuse(node, refusal(self._bits, answer))
                return False
            self._warn(f"{node} computes other bits than this machine: results are {TOLERANCE}")
        return True

    def _refuse(self, node: Node, why: str) -> None:
        """Use a node no more."""
        if node.id not in self._refused:
            self._refused[node.id] = f"{node} {why}"
            self._warn(f"not used: {node} {why}")
        for host in self._hosts:
            if host.node.id == node.id:
                host.close()

    def _ended(self, starting: "_Starting", why: str) -> None:
        """A host ended before it had begun."""
        starting.close()
        self._ends[starting.node.id] += 1
        if self._ends[starting.node.id] >= _STARTS:
            self._refuse(starting.node, f"ends its hosts before they begin ({why})")

    def _prepared(
        self, host: RayHost, prepared: Prepared, blocks: Mapping[int, list[Slot]], states: dict[str, SlotState]
    ) -> tuple[Prepared, Mapping[int, list[Slot]], dict[str, SlotState]]:
        """What a host is to open, with the data where its node has them, and with the user's own parts there."""
        try:
            own = {path for block in blocks.values() for slot in block for path in slot.experiment.own_paths}
            self._provide(host, sorted(own))
            folder = outermost(prepared)
            return moved(prepared, folder, self._place(host, prepared)), blocks, states
        except HostLostError:
            raise
        except Failure as error:
            self._refuse(host.node, f"cannot train: {error}")
            raise HostLostError(f"{host.node} cannot train: {error}") from None

    def _place(self, host: RayHost, prepared: Prepared) -> Path:
        """Where the host's node has the data."""
        folder = outermost(prepared)
        assert self._cluster is not None
        if self._cluster.own:
            return folder
        key = host.node.id, folder
        if key not in self._places:
            if folder not in self._shipments:
                self._shipments[folder] = Shipment(prepared)
            self._places[key] = self._shipments[folder].place(host.run)
            if self._places[key] != folder:
                self._log(f"prepared data are shipped to {host.node}")
        return self._places[key]

    def _provide(self, host: RayHost, own: Iterable[str]) -> None:
        """See to it that the host finds the user's own parts.

        Raises:
            Failure: Its node lacks a package that is installed here.
        """
        for path in own:
            key = host.node.id, path
            if key not in self._parts:
                self._parts[key] = self._part(host, path)
            if (folder := self._parts[key]) is not None:
                host.search(folder)

    def _part(self, host: RayHost, path: str) -> str | None:
        """The folder on the node to which a part was shipped; None where the node has it."""
        try:
            if host.run(f"{fingerprint.__module__}:fingerprint", path) == fingerprint(path):
                return None
        except UserError:
            pass
        if installed := distribution(path):
            raise Failure(f"'{path}' is of {fingerprint(path)}, which is not installed there: install {installed}")
        sources = {name: file.read_bytes() for name, file in files(path).items()}
        return str(host.run(f"{_DATA}write_parts", sources))


class _Starting:
    """A host that starts.

    Args:
        host: It.
        answer: To what it was asked first.

    Attributes:
        is_scheduled: Whether its process runs.
    """

    def __init__(self, host: RayHost, answer: "Future[Any]") -> None:
        self.host, self.answer = host, answer
        self.is_scheduled = False

    @property
    def node(self) -> Node:
        """Where it starts."""
        return self.host.node

    @property
    def alive(self) -> bool:
        """Whether it may still start."""
        return self.host.alive

    def received(self) -> Any:
        """What was answered.

        Raises:
            HostLostError: It ended.
        """
        from ray.exceptions import RayError

        if self.is_scheduled:
            return self.host.answer(self.answer)
        try:
            return self.answer.result()
        except RayError as error:
            raise self.host.lose(reason(error)) from None

    def close(self) -> None:
        """End it."""
        self.host.close()
