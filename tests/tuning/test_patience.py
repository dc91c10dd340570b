"""A storage that is away for a while is waited for, and nothing is stored twice."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning import patience, storage
from pipeline.tuning.database import Database
from pipeline.tuning.patience import Patience, is_away
from pipeline.tuning.search import Callbacks, search
from pipeline.tuning.storage import connect, storage_failures
from pipeline.tuning.study import study_in
from pipeline.tuning.writer import TrialWriter

from .postgres import Postgres, postgres
from .studies import digits, searched, values_of


def busy(text: str = "database is locked", code: int = sqlite3.SQLITE_BUSY) -> OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code  # type: ignore[attr-defined]
    return OperationalError("", {}, error)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_S", 0.01)
    monkeypatch.setattr(patience, "_LONGEST_S", 0.1)
    monkeypatch.setattr(storage, "_PATIENT_S", 0.05)


class Failing:
    """Work that fails some times before it is done."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), list[bool]()

    def __call__(self, again: bool) -> str:
        self.calls.append(again)
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_one_line_when_it_begins_to_wait_and_one_when_it_goes_on() -> None:
    said: list[str] = []
    work = Failing(busy(), busy(), busy())
    assert Patience(said.append)(work) == "done"
    assert work.calls == [False, True, True, True]
    assert said[0] == "the study's storage is away (database is locked): waiting for it, 5 min at most"
    assert said[1].startswith("the study's storage is back after ")
    assert len(said) == 2


def test_what_does_not_pass_by_itself_is_not_waited_for() -> None:
    said: list[str] = []
    with pytest.raises(OperationalError):
        Patience(said.append)(Failing(busy("no such table: trials", sqlite3.SQLITE_ERROR)))
    assert said == []


def test_after_its_time_the_storages_failure_is_what_it_was() -> None:
    said: list[str] = []
    with pytest.raises(Failure, match=r"storage failed \(database is locked\): --resume"), storage_failures():
        Patience(said.append, 0.2)(Failing(*[busy()] * 100))
    assert said == ["the study's storage is away (database is locked): waiting for it, 0 s at most"]


def test_a_program_that_ends_waits_no_longer() -> None:
    it = Patience(lambda _: None)
    threading.Timer(0.1, it.give_up).start()
    began = time.monotonic()
    with pytest.raises(OperationalError):
        it(Failing(*[busy()] * 10_000))
    assert time.monotonic() - began < 10.0


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ("connection refused", True),
        ("server closed the connection unexpectedly", True),
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  the database system is shutting down", True),
        ("FATAL:  sorry, too many clients already", True),
        ("FATAL:  terminating connection due to administrator command", True),
        ('FATAL:  password authentication failed for user "me"', False),
        ('FATAL:  database "other" does not exist', False),
    ],
)
def test_what_postgresql_says_that_passes_by_itself(said: str, passes: bool) -> None:
    assert is_away(OperationalError("", {}, Exception(said))) == passes
    lost = StorageInternalError("")
    lost.__cause__ = OperationalError("", {}, Exception(said))
    assert is_away(lost) == passes


def opened(url: str, said: list[str] | None = None, limit_s: float = 60.0) -> tuple[Database, Study]:
    say: Callable[[str], None] = (said if said is not None else []).append
    found = connect(url, Patience(say, limit_s))
    assert isinstance(found, Database)
    return found, study_in(found, "study")


@contextmanager
def answers_lost(engine: Engine, times: int = 1, done: bool = True) -> Iterator[list[int]]:
    """So many commits are done, or not, and whoever asked for them hears of a lost connection."""
    lost, commit = [0], engine.dialect.do_commit

    def lose(connection: Any) -> None:
        if lost[0] >= times:
            return commit(connection)
        lost[0] += 1
        if done:
            commit(connection)
        raise busy().orig  # type: ignore[misc]

    engine.dialect.do_commit = lose  # type: ignore[method-assign]
    try:
        yield lost
    finally:
        engine.dialect.do_commit = commit  # type: ignore[method-assign]
    assert lost == [times]


@pytest.mark.parametrize("done", [True, False])
def test_nothing_is_stored_twice_whose_answer_was_lost(done: bool, tmp_path: Path) -> None:
    found, study = opened(f"sqlite:///{tmp_path}/study.db")
    for number in range(3):
        with answers_lost(found.engine, done=done):
            study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"number": number}))
    assert [(it.number, it.user_attrs["number"]) for it in study.get_trials()] == [(0, 0), (1, 1), (2, 2)]
    writer, trial = TrialWriter(study), study.get_trials(deepcopy=False)[0]
    with answers_lost(found.engine, done=done):
        writer.report([(trial, 1, 0.5), (trial, 2, 0.25)])
    with answers_lost(found.engine, done=done):
        writer.attributes([(trial, {"a": [1]})])
    with answers_lost(found.engine, done=done):
        writer.end(trial, TrialState.COMPLETE, 0.5)
    with answers_lost(found.engine, done=done):
        study.set_user_attr("b", 1)
    ended = study.trials[0]
    assert (ended.state, ended.value, ended.user_attrs) == (TrialState.COMPLETE, 0.5, {"number": 0, "a": [1]})
    assert (ended.intermediate_values, study.user_attrs) == ({1: 0.5, 2: 0.25}, {"b": 1})


def test_a_study_is_made_once_whose_making_was_not_answered(tmp_path: Path) -> None:
    found = connect(f"sqlite:///{tmp_path}/study.db", Patience(lambda _: None, 60.0))
    assert isinstance(found, Database)
    with answers_lost(found.engine):
        study_in(found, "study")
    assert len(found.get_all_studies()) == 1


def test_a_trial_that_another_process_added_meanwhile_is_not_taken_for_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, study = opened(f"sqlite:///{tmp_path}/study.db")
    _, other = opened(f"sqlite:///{tmp_path}/study.db")

    def meanwhile(_: float) -> bool:
        other.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"whose": "theirs"}))
        return False

    monkeypatch.setattr(found.patience._given_up, "wait", meanwhile)
    with answers_lost(found.engine, done=False):
        study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"whose": "ours"}))
    assert [it.user_attrs["whose"] for it in study.get_trials()] == ["theirs", "ours"]


def test_optunas_own_storage_adds_twice_what_was_not_answered(tmp_path: Path) -> None:
    """Why there is one of our own; once this fails, Optuna does not any more."""
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db")
    with answers_lost(study._storage._backend.engine):  # type: ignore[attr-defined]
        study.add_trial(create_trial(state=TrialState.RUNNING))
    assert len(study.trials) == 2


@contextmanager
def locked(file: Path, for_s: float) -> Iterator[None]:
    """Another process has the sqlite file for a while."""
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(for_s, connection.rollback)
    timer.start()
    try:
        yield
    finally:
        timer.join()
        connection.close()


def everything(study: Study, writer: TrialWriter) -> Iterator[Callable[[], Any]]:
    """Whatever a search does with its storage."""
    yield lambda: study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"a": 1}))
    yield lambda: study.get_trials(deepcopy=False)
    trial: FrozenTrial = study.get_trials(deepcopy=False)[-1]
    yield lambda: writer.report([(trial, 1, 0.5)])
    yield lambda: writer.attributes([(trial, {"b": 2})])
    yield lambda: writer.end(trial, TrialState.COMPLETE, 0.5)
    yield lambda: study.set_user_attr("c", 3)
    yield lambda: study.user_attrs


def check_everything(study: Study, times: int) -> None:
    trials = study.get_trials()
    assert [(it.number, it.state, it.value) for it in trials] == [(n, TrialState.COMPLETE, 0.5) for n in range(times)]
    assert all(it.intermediate_values == {1: 0.5} and it.user_attrs == {"a": 1, "b": 2} for it in trials)
    assert study.user_attrs == {"c": 3}


def test_a_sqlite_file_that_another_process_has_is_waited_for(tmp_path: Path) -> None:
    said: list[str] = []
    file = tmp_path / "study.db"
    _, study = opened(f"sqlite:///{file}", said)
    for work in everything(study, TrialWriter(study)):
        with locked(file, 0.3):
            work()
    check_everything(study, 1)
    assert len(said) >= 8  # whoever only reads waits for nobody, where there is a write-ahead log
    assert {it.split(" (")[0].split(" after ")[0] for it in said} == {
        "the study's storage is away", "the study's storage is back",
    }  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


def fresh(server: Postgres, name: str) -> str:
    import psycopg

    with closing(psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return server.url.removesuffix("postgres") + name


def test_postgresql_that_is_stopped_before_each_step_is_waited_for(server: Postgres) -> None:
    said: list[str] = []
    _, study = opened(fresh(server, "stopped"), said)
    for work in everything(study, TrialWriter(study)):
        server.stop()
        timer = threading.Timer(0.5, server.start, (False,))
        timer.start()
        work()
        timer.join()
    check_everything(study, 1)
    assert len(said) == 14
    assert all("away" in one and "back" in two for one, two in zip(said[::2], said[1::2], strict=True))


def test_postgresql_is_waited_for_while_it_is_opened(server: Postgres) -> None:
    url, said = fresh(server, "opened"), list[str]()
    server.stop()
    timer = threading.Timer(0.5, server.start, (False,))
    timer.start()
    opened(url, said)
    timer.join()
    assert len(said) == 2


def test_a_password_that_is_wrong_is_not_waited_for(server: Postgres) -> None:
    url = server.url.removesuffix("postgres") + "none"
    with pytest.raises(Failure, match='database "none" does not exist'):
        connect(url, Patience(print, 60.0))


def test_a_study_whose_database_fails_all_the_time_equals_an_unbroken_one(
    server: Postgres, prepared: Prepared, tmp_path: Path
) -> None:
    """Its connections are cut at random, and the server is stopped twice."""
    import psycopg

    experiment = digits({"training.epochs": 3})
    reference = searched(experiment, prepared, tmp_path / "reference")
    url, said, over = fresh(server, "cut"), list[str](), threading.Event()
    _, study = opened(url, said)
    admin = server.url.replace("+psycopg", "")
    cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'cut'"

    def disturb() -> None:
        while not over.wait(0.05):
            with closing(psycopg.connect(admin)) as connection:
                connection.execute(cut)  # type: ignore[call-overload]

    looks = 0

    def on_look(_: object) -> None:
        nonlocal looks
        looks += 1
        if looks in (2, 6):
            over.set()
            thread.join()
            server.stop()
            threading.Timer(0.3, server.start, (False,)).start()

    thread = threading.Thread(target=disturb)
    thread.start()
    with WorkerPool(1) as pool:
        search(study, experiment, prepared, pool, tmp_path / "checkpoints", Callbacks(look=on_look))
    over.set()
    thread.join()
    assert values_of(study).equals(values_of(reference))
    assert [it.number for it in study.trials] == list(range(12))
    assert len(said) >= 4
