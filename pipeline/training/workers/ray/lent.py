"""This machine as a node of somebody's Ray cluster, for as long as this process wants."""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from pipeline.errors import Failure
from pipeline.training.workers.ray.cluster import QUIET, STORE, UNHURRIED, Found, authentication, short_folder

_STARTED = b"Ray runtime started"
_STARTS_S = 60.0
_ENDS_S = 10.0
_AT_ONCE = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}
"""Who uses the node's hosts is told by their end: it would wait for ever for them to be idle."""

_ROOT = Path(__file__).parents[4]
"""The folder with this package."""

_INSTALLED = ("site-packages", "dist-packages")  # which Python finds by itself


class LentNode:
    """A node of a cluster, on this machine; it ends with this process, too.

    Args:
        found: The cluster.
        cpus: Cores that it gives.
        gpus: GPUs that it gives; None for all there are.

    Raises:
        Failure: It does not start.
    """

    def __init__(self, found: Found, cpus: int, gpus: int | None = 0) -> None:
        self._folder = short_folder()
        own = "" if _ROOT.name in _INSTALLED else str(_ROOT)
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), own]))
        env = os.environ | QUIET | UNHURRIED | _AT_ONCE | authentication(found.tokens) | {"PYTHONPATH": path}
        options = {
            "address": found.address,
            "num-cpus": cpus,
            **({} if gpus is None else {"num-gpus": gpus}),
            "object-store-memory": STORE,
            "temp-dir": self._folder,
            "dashboard-agent-listen-port": 0,
            "log-style": "record",
        }
        program = [sys.executable, "-P", str(Path(__file__).with_name("start_node.py"))]
        self._process = subprocess.Popen(  # noqa: S603
            [*program, *(f"--{name}={value}" for name, value in options.items())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,  # Ctrl-C is this process's to handle
        )
        self._address = found.address
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it, and all that runs on it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        """Wait until it has joined.

        Raises:
            Failure: It ended, or takes too long.
        """
        assert self._process.stdout is not None
        said, deadline = b"", time.monotonic() + _STARTS_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while _STARTED not in said:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise Failure(f"no node of the Ray cluster at {self._address} starts here within {_STARTS_S:.0f} s")
                if not (more := os.read(self._process.stdout.fileno(), 2**16)):
                    lines = said.decode(errors="replace").split("\n")
                    why = next((it.strip() for it in reversed(lines) if it.strip()), "it says nothing")
                    raise Failure(f"no node of the Ray cluster at {self._address} starts here: {why}")
                said += more
