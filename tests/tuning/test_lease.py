"""One process coordinates a study; whoever lost the lease writes nothing more."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from pipeline.errors import StudyStopped
from pipeline.tracking import process
from pipeline.tuning import lease
from pipeline.tuning.lease import LEASE, STOP, Lease, LeaseLost, Register, Timing, ask_to_stop, holder_of
from pipeline.tuning.patience import Patience
from pipeline.tuning.storage import connect
from pipeline.tuning.writer import TrialWriter

from .postgres import postgres

QUICK = Timing(look=0.02, renew=0.06, expire=1.0)
ELSEWHERE = "other@boot:12:345"


@dataclass
class Coordinator:
    """A process that may run a study, as far as its lease goes."""

    url: str
    said: list[str] = field(default_factory=list)
    patient: bool = False

    def __post_init__(self) -> None:
        self.storage = connect(self.url, Patience(self.said.append) if self.patient else None)
        self.study: Study = optuna.create_study(storage=self.storage, study_name="study", load_if_exists=True)
        self.register = Register(self.storage, self.storage.get_study_id_from_name("study"))

    def lease(self, timing: Timing = QUICK) -> Lease:
        return Lease(self.register, Patience(self.said.append, 5.0), self.said.append, timing)

    def add(self) -> None:
        self.study.add_trial(create_trial(state=TrialState.RUNNING))


@pytest.fixture(params=["sqlite:///{}/study.db", "journal://{}/study.log"], ids=["sqlite", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


@contextmanager
def in_thread(work: Callable[[], Any]) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield thread
    thread.join(10)
    assert not thread.is_alive()


def soon(true: Callable[[], Any]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("never came true")


def as_of(register: Register, **values: Any) -> str:
    """Make the lease that of another process."""
    holder = json.loads(register.read(LEASE) or "null") or {"count": 0, "host": "other", "pid": 12, "since": "then"}
    value = json.dumps(holder | {"token": "theirs", "process": ELSEWHERE, "namespace": "other"} | values)
    assert register.swap(LEASE, register.read(LEASE), value)
    return value


def test_a_second_coordinator_waits_says_for_whom_and_goes_on_when_the_first_is_done(url: str) -> None:
    first, second, held = Coordinator(url), Coordinator(url), []

    def wait() -> None:
        with second.lease().held(resume=False) as taken:
            held.append(taken.former)

    with first.lease().held(resume=False):
        holder = holder_of(first.register)
        assert holder is not None
        waiting = threading.Thread(target=wait)
        waiting.start()
        soon(lambda: second.said)
        assert f"process {holder['pid']} on {holder['host']}, since {holder['since']}" in second.said[0]
        time.sleep(1.5 * QUICK.expire)  # it is renewed meanwhile
        first.add()
        assert held == []
    waiting.join(10)
    assert (held, len(second.said)) == ([None], 1)


def test_a_lease_says_on_which_cluster_its_holder_trains(url: str) -> None:
    it = Coordinator(url)
    for cluster in (None, "10.0.0.1:6379"):
        with Lease(it.register, Patience(it.said.append), it.said.append, QUICK, cluster).held(resume=False):
            soon(lambda: json.loads(it.register.read(LEASE) or "")["count"] > 0)
            holder = holder_of(it.register)
            assert holder is not None
            assert holder["cluster"] == cluster


def test_others_are_watched_until_they_are_done_or_gone(url: str) -> None:
    it = Coordinator(url)
    watching = it.lease()
    assert list(watching.others(resume=False)) == []
    with it.lease().held(resume=False):
        others = watching.others(resume=False)
        assert {next(others)["pid"] for _ in range(3)} == {os.getpid()}
    assert list(others) == []
    as_of(it.register)
    found = list(watching.others(resume=False))
    assert {holder["token"] for holder in found} == {"theirs"}
    assert len(found) >= 0.5 * QUICK.expire / QUICK.look
    began = time.monotonic()
    with watching.held(resume=False) as taken:  # which has waited already
        assert taken.former == ELSEWHERE
    assert time.monotonic() - began < QUICK.expire


def test_watching_others_ends_with_a_study_that_is_stopped(url: str) -> None:
    it = Coordinator(url)
    with it.lease().held(resume=False):
        others = Coordinator(url).lease().others(resume=True)
        next(others)
        ask_to_stop(it.register)
        with pytest.raises(StudyStopped, match="stopped by process"):
            list(others)


def test_a_lease_is_renewed_by_its_count(url: str) -> None:
    it = Coordinator(url)
    with it.lease().held(resume=False):
        soon(lambda: json.loads(it.register.read(LEASE) or "")["count"] >= 3)
    assert it.register.read(LEASE) == "null"
    assert holder_of(it.register) is None


def test_a_coordinator_that_is_gone_elsewhere_is_replaced_once_it_no_longer_counts(url: str) -> None:
    it = Coordinator(url)
    as_of(it.register)
    began = time.monotonic()
    with it.lease().held(resume=False) as taken:
        assert taken.former == ELSEWHERE
    assert QUICK.expire <= time.monotonic() - began < 20 * QUICK.expire
    assert len(it.said) == 1
    assert "process 12 on other, since then" in it.said[0]


def test_one_that_was_killed_on_this_machine_is_replaced_at_once(url: str) -> None:
    it = Coordinator(url)
    killed = process.identity().rsplit(":", 2)[0] + ":4194304:1"
    as_of(it.register, process=killed, namespace=lease._namespace())
    assert holder_of(it.register) is None
    with it.lease(Timing(expire=1000.0)).held(resume=False) as taken:
        assert taken.former == killed
    assert it.said == []


def test_a_coordinator_that_lost_its_lease_writes_nothing_more(sqlite: str) -> None:
    it, other = Coordinator(sqlite), Coordinator(sqlite)
    slow = Timing(look=60.0, renew=60.0, expire=240.0)  # as if it were suspended
    with it.lease(slow).held(resume=False):
        it.add()
        trial = it.study.get_trials(deepcopy=False)[0]
        as_of(other.register, host="other", pid=12)
        for write in (
            it.add,
            lambda: TrialWriter(it.study).report([(trial, 1, 0.5)]),
            lambda: TrialWriter(it.study).attributes([(trial, {"a": 1})]),
            lambda: TrialWriter(it.study).end(trial, TrialState.COMPLETE, 0.5),
            lambda: it.study.set_user_attr("a", 1),
        ):
            with pytest.raises(LeaseLost, match="taken over by process 12 on other"):
                write()
        assert len(it.study.get_trials()) == 1  # it may read
    (left,) = other.study.get_trials()
    assert (left.state, left.intermediate_values, left.user_attrs) == (TrialState.RUNNING, {}, {})
    assert other.study.user_attrs == {}
    assert json.loads(other.register.read(LEASE) or "")["token"] == "theirs"


def test_whoever_writes_elsewhere_asks_first(url: str) -> None:
    it = Coordinator(url)
    with it.lease().held(resume=False) as held:
        held.check()
        as_of(Coordinator(url).register)
        soon(lambda: held._taken_by)
        with pytest.raises(LeaseLost):
            held.check()


def test_an_answer_that_was_lost_loses_no_lease(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    it = Coordinator(sqlite)
    swap = it.register.swap

    def lost(name: str, old: str | None, new: str) -> bool:
        swap(name, old, new)
        raise optuna.exceptions.StorageInternalError("lost")

    with it.lease().held(resume=False) as held:
        with monkeypatch.context() as patch:
            patch.setattr(it.register, "swap", lost)
            time.sleep(5 * QUICK.renew)
        count = json.loads(it.register.read(LEASE) or "")["count"]
        soon(lambda: json.loads(it.register.read(LEASE) or "")["count"] > count)
        held.check()


def test_of_many_that_want_a_lease_at_once_one_has_it_at_a_time(sqlite: str) -> None:
    inside, most, done = 0, 0, []
    lock = threading.Lock()

    def work(it: Coordinator) -> None:
        nonlocal inside, most
        with it.lease(Timing(look=0.01, renew=1.0, expire=20.0)).held(resume=False):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with lock:
                inside -= 1
                done.append(it)

    threads = [threading.Thread(target=work, args=(Coordinator(sqlite),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(done), most) == (6, 1)


def test_a_mark_ends_a_study_and_is_taken_away_to_resume_it(url: str) -> None:
    it = Coordinator(url)
    with it.lease().held(resume=False) as held:
        assert held.ending() is None
        ask_to_stop(Coordinator(url).register)
        soon(held.ending)
        assert "the study was stopped by process" in str(held.ending())
    with pytest.raises(StudyStopped, match="--resume goes on"), it.lease().held(resume=False):
        pass
    with it.lease().held(resume=True) as held:
        assert it.register.get(STOP) is None
        time.sleep(3 * QUICK.look)
        assert held.ending() is None


def test_whoever_waits_for_a_study_that_is_stopped_ends_too(url: str) -> None:
    it, waiting, ended = Coordinator(url), Coordinator(url), []

    def wait() -> None:
        with pytest.raises(StudyStopped), waiting.lease().held(resume=True):
            pass
        ended.append(True)

    with it.lease().held(resume=False), in_thread(wait):
        soon(lambda: waiting.said)
        ask_to_stop(it.register)
        soon(lambda: ended)


def test_a_study_that_is_done_forgets_a_mark(url: str) -> None:
    it = Coordinator(url)
    with it.lease().held(resume=False) as held:
        ask_to_stop(it.register)
        held.finished()
    with it.lease().held(resume=False):
        pass


def test_a_study_has_a_name_of_its_own_that_stays(tmp_path: Path) -> None:
    one, other = (Coordinator(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "other"))
    assert one.register.own_name() == Coordinator(one.url).register.own_name() != other.register.own_name()


def test_on_postgresql_a_lease_outlives_a_restart_and_a_lost_one_writes_nothing() -> None:
    with postgres() as server:
        it = Coordinator(server.url, patient=True)
        with it.lease().held(resume=False) as held:
            for _ in range(20):
                it.add()
            server.stop()
            threading.Timer(0.5, server.start, (False,)).start()
            it.add()
            count = json.loads(it.register.read(LEASE) or "")["count"]
            soon(lambda: json.loads(it.register.read(LEASE) or "")["count"] > count)
            held.check()
            as_of(Coordinator(server.url).register, host="other", pid=12)
            with pytest.raises(LeaseLost, match="process 12 on other"):
                it.add()
        assert len(it.study.get_trials()) == 21
        assert len(it.said) == 2
