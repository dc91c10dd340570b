"""The Ray cluster that this process is connected to: somebody's, or one of its own on this machine.

One of its own listens on the loopback interface only, asks for a token that nobody else knows, and ends with this
process. Ray prints to neither stream.
"""

import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import Failure, UserError

QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
HEALTH = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
"""With these set where a cluster's head is started, the death of a node is noticed in 2 s and not in 14."""

UNHURRIED = {"RAY_worker_niceness": "0"}  # else hosts wait for everything else on this machine
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # named for systems where it is the default
STORE = 256 * 2**20
"""Bytes of a node's object store, taken as they are used: states that move, and what is shipped."""

_LONGEST_FOLDER = 40  # characters; a socket's path may have 107, of which Ray takes 62
_FOLDER = "hw"
_CONNECT_S = 5.0
_PROBE_S = 20.0


@dataclass(frozen=True)
class Node:
    """A node that is alive.

    Attributes:
        id: Ray's.
        address: Of the machine.
        cpus: Cores that it gives.
        gpus: GPUs that it gives.
    """

    id: str
    address: str
    cpus: int
    gpus: int

    def __str__(self) -> str:
        return f"node {self.address} ({self.id[:6]})"


def check_cluster(address: str, said: str = "", joins: bool = False) -> "Found":
    """Find out within seconds whether a cluster answers and can be used from here.

    Args:
        address: HOST:PORT, or `auto` for the one of this machine.
        said: What an error begins with; by default the option and the address.
        joins: This machine needs not be a node of it: it may join.

    Raises:
        UserError: Ray is not installed, or this is no address.
        Failure: No cluster answers there, or not one that this process can use.
    """
    check_installed()
    said = said or f"--address {address}"
    if address != "auto":
        _check_answers(address, said)
    found = _probed(address, tokens=False)
    tokens = found.get("problem") == "token"
    if tokens:
        found = _probed(address, tokens=True)
    usable = _usable(said, found, tokens)
    if not (usable.here or joins):
        raise Failure(
            f"{said}: this machine is no node of the cluster: join it with "
            f"`ray start --address={usable.address} --num-cpus=0`, or run headway on one of its nodes"
        )
    return usable


def check_installed(said: str = "--engine ray") -> None:
    """Find out whether Ray is installed.

    Args:
        said: What needs it.

    Raises:
        UserError: It is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError(f"{said}: Ray is not installed; pip install 'headway[ray]', or pip install 'ray>=2.60'")


@dataclass(frozen=True)
class Found:
    """A cluster that answers.

    Attributes:
        address: HOST:PORT.
        tokens: Whether it asks for a token.
        here: Whether this machine is a node of it.
    """

    address: str
    tokens: bool
    here: bool = True


class Cluster:
    """A connection to a cluster; there is one a process.

    Args:
        found: The cluster; None starts one on this machine.
        cpus: Of a cluster of our own.
        gpus: Of a cluster of our own.

    Attributes:
        own: Whether it is one of our own.
        address: HOST:PORT of the head.

    Raises:
        Failure: The connection failed.
    """

    def __init__(self, found: Found | None, cpus: int = 1, gpus: int = 0) -> None:
        self.own, self._folder = found is None, None if found else short_folder()
        if found is None:
            token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
            self._set(QUIET | HEALTH | UNHURRIED | _LOOPBACK | token)
            how: dict[str, Any] = {
                "address": "local", "num_cpus": cpus, "num_gpus": gpus, "include_dashboard": False,
                "object_store_memory": STORE, "_temp_dir": self._folder,
            }  # fmt: skip
        else:
            self._set(QUIET | authentication(found.tokens))
            how = {"address": found.address}
        import ray

        self._ray = ray
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        reread_environment()
        try:
            with _signals_kept():
                context: Any = ray.init(**how, log_to_driver=False, configure_logging=False)
        except Exception as error:  # it raises many kinds
            self.close()
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise Failure(f"--engine ray: {found.address if found else 'a cluster here'}: {reason}") from None
        ray._private.worker._worker_logs_enabled = False  # else each worker that dies prints a paragraph
        self.address = str(context.address_info["gcs_address"])

    def nodes(self) -> list[Node]:
        """Those that are alive.

        Raises:
            Failure: The head does not answer.
        """
        try:
            _connect(self.address)  # Ray would wait for a minute, and then end this process
        except OSError:
            raise Failure(
                f"--engine ray: the head of the cluster at {self.address} does not answer any more: "
                "start it again and add --resume"
            ) from None
        alive = [it for it in self._ray.nodes() if it["Alive"]]
        return [
            Node(
                it["NodeID"],
                it["NodeManagerAddress"],
                int(it["Resources"].get("CPU", 0)),
                int(it["Resources"].get("GPU", 0)),
            )
            for it in alive
        ]

    def close(self) -> None:
        """Leave it; one of our own ends."""
        with suppress(Exception), _signals_kept():
            self._ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        for name, value in self._before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})

    def _set(self, settings: Mapping[str, str]) -> None:
        """Set variables of the environment while this is connected."""
        self._before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)


def authentication(tokens: bool) -> dict[str, str]:
    """Variables of the environment by which Ray uses its token, or none."""
    return {"RAY_AUTH_MODE": "token" if tokens else "disabled"}


def no_token(address: str) -> str:
    """What is to be known of a cluster without a token."""
    return f"the Ray cluster at {address} has no token: anybody who reaches it can run code on its nodes"


def reread_environment() -> None:
    """Let Ray read its variables again: it may have been imported before they were set."""
    from ray._private import ray_constants
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    ray_constants.ENABLE_RAY_CLUSTER = not _LOOPBACK.items() <= os.environ.items()
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _check_answers(address: str, said: str) -> None:
    try:
        _connect(address)
    except ValueError:
        raise UserError(
            f"{said}: write HOST:PORT, such as 10.0.0.1:6379, or auto for the cluster of this machine"
        ) from None
    except OSError as error:
        reason = error.strerror or "no answer"
        raise Failure(
            f"{said}: nothing can be reached there ({reason.lower()}): it is the address that `ray start --head` prints"
        ) from None


def _connect(address: str) -> None:
    """Open a connection and close it.

    Raises:
        ValueError: This is no address.
        OSError: It is not possible.
    """
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) < 2**16) or "/" in host:
        raise ValueError(address)
    socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()


def _probed(address: str, tokens: bool) -> dict[str, Any]:
    """What `probe` says of an address; a problem where it says nothing in time."""
    env = os.environ | QUIET | authentication(tokens)
    program = [sys.executable, "-P", str(Path(__file__).with_name("probe.py")), address]
    try:
        done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=_PROBE_S)  # noqa: S603
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return {"problem": "other", "address": address, "error": "no answer of Ray's"}


def _usable(said: str, found: dict[str, Any], tokens: bool) -> Found:
    problem = found.get("problem")
    if problem == "none":
        raise Failure(
            f"{said}: no cluster is running on this machine; start one with `ray start --head`, give its HOST:PORT, "
            "or leave --address out for a cluster of its own"
        )
    if problem == "token":
        raise Failure(
            f"{said}: the cluster does not accept the token of this machine: copy that of its head "
            "(~/.ray/auth_token) or set RAY_AUTH_TOKEN"
        )
    if problem:
        raise Failure(f"{said}: what answers there is no Ray cluster, or is overloaded ({found['error']})")
    here = {"ray": importlib.metadata.version("ray"), "python": platform.python_version()}
    for name, version in here.items():
        if found[name] != version:
            raise Failure(f"{said}: the cluster has {name.capitalize()} {found[name]}, and this machine {version}")
    return Found(found["address"], tokens, found["here"])


def short_folder() -> str:
    """A new folder with a short path, named by this process; those of processes that were killed are removed."""
    usual = tempfile.gettempdir()
    within = Path(usual if len(usual) < _LONGEST_FOLDER else "/tmp")  # noqa: S108
    for folder in within.glob(f"{_FOLDER}-*-*"):
        number = folder.name.split("-")[1]
        if number.isdigit() and not _is_running(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{_FOLDER}-{os.getpid()}-", dir=within)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put back what signals did before, since Ray takes SIGTERM; outside of the main thread it cannot."""
    before: dict[int, Callable[..., Any] | int | None] = {it: signal.getsignal(it) for it in (signal.SIGTERM,)}
    try:
        yield
    finally:
        with suppress(ValueError):
            for number, handler in before.items():
                signal.signal(number, handler)
