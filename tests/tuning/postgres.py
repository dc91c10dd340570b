"""A PostgreSQL server of one's own, from the system's packages, that can be stopped and started again."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Failure
from pipeline.tuning.storage import check_storage

POSTGRES = shutil.which("postgres")


class Postgres:
    """A server that trusts everybody.

    Attributes:
        url: Its address.
    """

    def __init__(self, folder: Path) -> None:
        assert POSTGRES is not None
        programs = Path(POSTGRES).resolve().parent
        self._who: dict[str, Any] = {}
        if getpass.getuser() == "root":  # which PostgreSQL refuses to run as
            self._who = {"user": "postgres", "group": "postgres"}
            shutil.chown(folder, **self._who)
        data = str(folder / "data")
        subprocess.run(
            [programs / "initdb", "-A", "trust", "-U", "me", "-D", data], check=True, capture_output=True, **self._who
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._command = [programs / "postgres", "-D", data, "-k", str(folder), "-h", "127.0.0.1", "-p", str(port), "-F"]
        self.url = f"postgresql+psycopg://me:secret@127.0.0.1:{port}/postgres"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> None:
        self.process = subprocess.Popen(
            self._command, stderr=subprocess.DEVNULL, env=os.environ | {"LC_ALL": "C"}, **self._who
        )
        if wait:
            wait_for(self.url)

    def stop(self) -> None:
        """End it though clients are connected."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
            self.process = None


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that runs; the test is skipped where PostgreSQL or its driver is not installed."""
    pytest.importorskip("psycopg")
    if POSTGRES is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a short path: it holds a socket
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            return check_storage(url)
        except Failure:
            time.sleep(0.05)
    return check_storage(url)
