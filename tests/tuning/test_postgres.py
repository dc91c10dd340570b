"""The same study on a PostgreSQL server of its own; skipped where the server or the driver is not installed."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.tuning.storage import check_storage
from pipeline.tuning.study import open_study

from .studies import digits, searched, values_of

POSTGRES = shutil.which("postgres")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that trusts everybody."""
    pytest.importorskip("psycopg")
    if POSTGRES is None:
        pytest.skip("PostgreSQL is not installed")
    programs = Path(POSTGRES).resolve().parent
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a short path: it holds a socket
    who: dict[str, Any] = {}
    if getpass.getuser() == "root":  # which PostgreSQL refuses to run as
        who = {"user": "postgres", "group": "postgres"}
        shutil.chown(folder, **who)
    data = str(folder / "data")
    subprocess.run([programs / "initdb", "-A", "trust", "-U", "me", "-D", data], check=True, capture_output=True, **who)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [programs / "postgres", "-D", data, "-k", str(folder), "-h", "127.0.0.1", "-p", str(port), "-F"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"LC_ALL": "C"}, **who) as process:
        try:
            url = f"postgresql+psycopg://me:secret@127.0.0.1:{port}/postgres"
            wait_for(url)
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # it ends though clients are connected
    shutil.rmtree(folder)


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            return check_storage(url)
        except Failure:
            time.sleep(0.05)
    return check_storage(url)


def test_a_study_on_postgresql_equals_one_on_sqlite(server: str, prepared: Prepared, tmp_path: Path) -> None:
    whole = searched(digits(), prepared, tmp_path / "sqlite")
    searched(digits({"tuning.trials": 8}), prepared, tmp_path / "postgresql", url=server)
    study = searched(digits(), prepared, tmp_path / "postgresql", url=server)
    assert values_of(study).equals(values_of(whole))


def test_a_database_that_does_not_exist_is_a_failure_without_the_password(server: str, tmp_path: Path) -> None:
    url = server.removesuffix("postgres") + "other"
    with pytest.raises(Failure, match=r'database "other" does not exist') as caught:
        check_storage(url)
    assert "secret" not in str(caught.value)
    with pytest.raises(Failure, match=r'database "other" does not exist'):
        open_study("study", url, tmp_path / "lock")
