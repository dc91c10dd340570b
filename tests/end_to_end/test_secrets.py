"""A password is in no store, file, page, message or process's arguments, whatever happens."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL

from tests.conftest import REPOSITORY, Headway, call_headway, make_project

CANARY = "c4nary/#?x"  # letters that end a host in other places of an address
QUOTED = "c4nary%2F%23%3Fx"
TOKEN = "hf_c4naryToken"


class CanaryDialect(SQLiteDialect_pysqlite):
    """Sqlite behind an address with a user and a password, as PostgreSQL has them."""

    supports_statement_cache = True

    def create_connect_args(self, url: URL) -> Any:
        if url.password != CANARY:
            raise ValueError(f"no such user: {url.render_as_string(hide_password=False)}, password {url.password}")
        return super().create_connect_args(URL.create("sqlite", database=url.database))


registry.register("canary", __name__, "CanaryDialect")
registry.register("canary.pysqlite", __name__, "CanaryDialect")


def holding(folder: Path) -> list[Path]:
    """The files of a project that hold the canary; those of databases are read as bytes."""
    words = [it.encode() for it in (CANARY, QUOTED, TOKEN, "c4nary")]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(word in path.read_bytes() for word in words)]


@contextmanager
def arguments_watched() -> Iterator[set[str]]:
    """The arguments of all processes that this one has started while it ran."""
    found: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    parent = int((path.parent / "stat").read_text().rsplit(")", 1)[1].split()[1])
                    if parent == os.getpid():
                        found.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except (OSError, IndexError, ValueError):
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str], list[Any]]:
    """A job with a study behind a password, in a repository with a token: where, what was started, what it said."""
    with pytest.MonkeyPatch.context() as patch:
        folder = make_project(tmp_path_factory.mktemp("secrets") / "project", patch)
        subprocess.run(["git", "init", "-q"], check=True)
        subprocess.run(["git", "remote", "add", "origin", f"https://me:{TOKEN}@example.invalid/it.git"], check=True)
        (folder / "experiments" / "tiny.yaml").write_text(TINY)
        patch.setenv("HEADWAY_STORAGE", f"canary://me:{QUOTED}@host/{folder.parent}/studies.db?sslpassword={QUOTED}")
        patch.setenv("HF_TOKEN", TOKEN)
        with arguments_watched() as arguments:
            said = [call_headway(*it) for it in COMMANDS]
    return folder, arguments, said


TINY = """
tasks: {digit: {kind: multiclass, source: digits}, parity: {kind: binary, source: digits}}
model: {trunk: {widths: [4]}}
training: {updates: 20, seeds: 2}
data: {test: 0.2}
tuning: {trials: 2, batch: 2, space: {training.learning_rate: {float: [0.001, 0.01]}}}
baselines: {reference: false}
processes: 2
"""
COMMANDS = (
    ["run", "tiny", "--json"],
    ["show", "tiny"],
    ["show", "tiny", "--json"],
    ["why", "tune", "tiny"],
    ["compare", "tiny", "--methods", "dwa"],
    ["affinity", "tiny"],
    ["explain", "tiny"],
)


def test_a_job_with_a_password_in_the_environment_leaves_it_there(ran: tuple[Path, set[str], list[Any]]) -> None:
    folder, arguments, said = ran
    assert [it.code for it in said] == [0] * len(said), said[0].err
    assert (folder.parent / "studies.db").stat().st_size > 0  # the storage of the environment was used
    assert not (folder / "optuna.db").exists()
    # The repository's own configuration is the user's.
    assert [path for path in holding(folder.parent) if ".git" not in path.parts] == []
    assert not [it for it in arguments if "c4nary" in it]
    assert len(arguments) >= 1
    assert not [it for it in said if "c4nary" in it.out + it.err]
    assert json.loads(said[2].out)["configuration"]["tuning"]["storage"] == f"canary://host/{folder.parent}/studies.db"


WRONG = {
    "a wrong password": f"canary://me:{QUOTED}wrong@host/x.db",
    "an unknown kind": f"nosuchdb://me:{QUOTED}@host/x",
    "an unreachable server": f"postgresql+psycopg://me:{QUOTED}@127.0.0.1:1/x?sslpassword={QUOTED}",
    "a password in the query": f"postgresql+psycopg://127.0.0.1:1/x?user=me&password={QUOTED}",
    "a password as it is meant": f"postgresql+psycopg://me:{CANARY}@127.0.0.1:1/x",
    "no address": f"me:{CANARY}@host",
    "no port": f"postgresql+psycopg://me:{QUOTED}@host:port/x",
    "no yaml": f"{{postgresql://me:{CANARY}@host: [",
    "a mapping": f"{{url: 'postgresql://me:{CANARY}@host'}}",
    "a list": f"['postgresql://me:{CANARY}@host']",
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("way", ["--storage", "--set", "HEADWAY_STORAGE", "file"])
def test_what_is_wrong_is_said_without_it(
    project: Path, headway: Headway, monkeypatch: pytest.MonkeyPatch, wrong: str, way: str
) -> None:
    options = {"--storage": ["--storage", WRONG[wrong]], "--set": ["--set", f"tuning.storage={WRONG[wrong]}"]}
    if way == "HEADWAY_STORAGE":
        monkeypatch.setenv(way, WRONG[wrong])
    if way == "file":
        path = project / "experiments" / "debug.yaml"
        kept = path.read_text().partition("tuning:")[0]
        path.write_text(f"{kept}tuning: {json.dumps({'storage': WRONG[wrong]})}\n")
    for command in (["tune", "debug"], ["show", "debug", "--json"]):
        told = headway(*command, *options.get(way, ()))
        assert "c4nary" not in told.out + told.err
        assert told.code in ((1, 2) if command[0] != "show" else (0, 1, 2))
        assert told.err.count("\n") <= 1
    if way != "file":
        assert holding(project) == []


def test_a_server_of_runs_is_named_without_it(project: Path, headway: Headway, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (
        f"http://me:{QUOTED}@127.0.0.1:1",
        f"postgresql://me:{CANARY}@127.0.0.1:1/x",
        f"ftp://me:{CANARY}@h",
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        told = headway("show", "debug")
        assert told.code in (1, 2)
        assert "c4nary" not in told.out + told.err
    assert holding(project) == []


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({"file": "file.db"}, "file.db"),
        ({"file": "file.db", "HEADWAY_STORAGE": "environment.db"}, "environment.db"),
        ({"file": "file.db", "HEADWAY_STORAGE": "environment.db", "--storage": "option.db"}, "option.db"),
        ({"HEADWAY_STORAGE": "environment.db"}, "environment.db"),
        ({"HEADWAY_STORAGE": "environment.db", "tuning": "null"}, None),
        ({}, None),
    ],
)
def test_the_option_comes_before_the_environment_and_that_before_the_file(
    project: Path, headway: Headway, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], used: str | None
) -> None:
    tuning = f"{{storage: 'sqlite:///{given['file']}'}}" if "file" in given else given.get("tuning", "{}")
    (project / "experiments" / "it.yaml").write_text(
        f"tasks: {{digit: {{kind: multiclass, source: digits}}}}\ntuning: {tuning}\n"
    )
    if "HEADWAY_STORAGE" in given:
        monkeypatch.setenv("HEADWAY_STORAGE", f"sqlite:///{given['HEADWAY_STORAGE']}")
    options = ["--set", f"tuning.storage=sqlite:///{given['--storage']}"] if "--storage" in given else []
    shown = headway("show", "it", "--json", *options).json["configuration"]["tuning"]
    assert (shown or {}).get("storage") == (used and f"sqlite:///{used}")


def test_a_traceback_is_shown_without_it(project: Path) -> None:
    storage = f"nosuchdb://me:{CANARY}@host/x?password={QUOTED}"
    told = subprocess.run(
        [sys.executable, "-m", "pipeline", "tune", "debug", "--storage", storage, "--debug"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert "Traceback" in told.stderr
    assert "UserError" in told.stderr
    assert "c4nary" not in told.stdout + told.stderr
