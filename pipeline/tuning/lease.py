"""A study's lease: one process coordinates a study, wherever it runs, and another takes over when that is gone.

The lease is a system attribute of the study, which is replaced only if it is as expected. Its holder counts it up;
whoever waits watches the count by a clock of its own, so that the clocks of machines are never compared. A database
checks with each transaction that writes whether the lease is still held, so a process that was suspended for minutes
cannot write beside its successor. (An advisory lock of PostgreSQL would end with a connection: with each restart of the
database, and on a machine that burnt only after hours.)
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from optuna.storages import BaseStorage
from sqlalchemy import event
from sqlalchemy.engine import Connection

from pipeline.errors import Failure, StudyStopped
from pipeline.tracking import process
from pipeline.tuning.database import Database, note_in
from pipeline.tuning.patience import Patience

LEASE, STOP = "headway.lease", "headway.stop"
"""System attributes of a study: who coordinates it, and who wants it to end."""

OWN_CLUSTER = "own"
"""What a holder says of its Ray cluster where that is one of its own, which no other machine can join."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # it goes on while the machine sleeps
_NAME = "headway.id"
_WRITES = "headway.writes"


class LeaseLost(Failure):
    """Another process has taken the study over: this one writes nothing more."""

    def __init__(self, holder: str) -> None:
        super().__init__(
            f"the study was taken over by {holder}, since this process did not renew its lease in time: it ends here"
        )


@dataclass(frozen=True)
class Timing:
    """How often a lease is looked at, in seconds.

    Attributes:
        look: Between two looks at the lease, or at the mark that ends a study.
        renew: Between two renewals.
        expire: After so long without one it is free.
    """

    look: float = 2.0
    renew: float = 10.0
    expire: float = 60.0


class Register:
    """A study's system attributes, as JSON.

    Args:
        storage: Of the study.
        study_id: Its number there.
    """

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self.database = storage if isinstance(storage, Database) else None
        self.study_id = study_id
        self._storage = storage

    def read(self, name: str) -> str | None:
        """An attribute's text; None where there is none."""
        if self.database:
            return self.database.note(self.study_id, name)
        found = self._storage.get_study_system_attrs(self.study_id)
        return json.dumps(found[name]) if name in found else None

    def swap(self, name: str, old: str | None, new: str) -> bool:
        """Replace an attribute if it is as expected; a journal may let two processes do so at the same moment."""
        if self.database:
            return self.database.swap_note(self.study_id, name, old, new)
        if self.read(name) != old:
            return False
        self._storage.set_study_system_attr(self.study_id, name, json.loads(new))
        return self.read(name) == new

    def put(self, name: str, value: Any) -> None:
        """Set an attribute."""
        self._storage.set_study_system_attr(self.study_id, name, value)

    def own_name(self) -> str:
        """A name that no other study has, whatever is called the same in another storage."""
        if (name := self.get(_NAME)) is None:
            name = uuid.uuid4().hex[:12]
            self.put(_NAME, name)
        return str(name)

    def get(self, name: str) -> Any:
        """An attribute's value; None where there is none."""
        return self._storage.get_study_system_attrs(self.study_id).get(name)


def described(holder: dict[str, Any]) -> str:
    """Who holds a lease, and since when by its own clock."""
    return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"


def holder_of(register: Register) -> dict[str, Any] | None:
    """Who holds a study's lease as far as the storage tells; None where nobody does."""
    holder = register.get(LEASE)
    return None if holder is None or _is_gone(holder) else holder


class Watch:
    """Looks at a study's lease, whose holder may be gone without a word.

    Args:
        register: Of the study.
        patience: Waits while the storage is away.
        timing: How often it is looked at.

    Attributes:
        value: What was last found.
    """

    def __init__(self, register: Register, patience: Patience, timing: Timing) -> None:
        self.value: str | None = None
        self._register, self._patience, self._timing = register, patience, timing
        self._since = self._looked = float("-inf")

    def holder(self) -> dict[str, Any] | None:
        """Who holds the lease; None where it can be taken."""
        value = self._patience(lambda _: self._register.read(LEASE))
        now = _clock()
        # Only time counts in which the storage answered, and the holder could have counted on.
        if value != self.value or now - self._looked > 3.0 * self._timing.look + 1.0:
            self.value, self._since = value, now
        self._looked = now
        holder = json.loads(value) if value else None
        if holder is None or _is_gone(holder) or now - self._since >= self._timing.expire:
            return None
        return dict(holder)


def ask_to_stop(register: Register) -> None:
    """Leave the mark that ends a study after the epoch at hand."""
    register.put(STOP, {"by": f"process {os.getpid()} on {socket.gethostname()}", "at": _now()})


class Lease:
    """The right to write a study.

    Args:
        register: Of the study.
        patience: Waits while the storage is away.
        say: Prints a line.
        timing: How often it is looked at.
        cluster: Address of the Ray cluster on which this process trains, or `OWN_CLUSTER`; None where it uses none.

    Attributes:
        former: The identity of the process that held it and is gone, see `pipeline.tracking.process`, if there is one.
    """

    def __init__(
        self,
        register: Register,
        patience: Patience,
        say: Callable[[str], None],
        timing: Timing | None = None,
        cluster: str | None = None,
    ) -> None:
        self._register, self._patience, self._say, self._timing = register, patience, say, timing or Timing()
        self._cluster, self._watch = cluster, Watch(register, patience, self._timing)
        self.former: str | None = None
        self._token = uuid.uuid4().hex
        self._value: str | None = None
        self._renewed = 0.0
        self._taken_by: dict[str, Any] | None = None
        self._mark: dict[str, Any] | None = None
        self._over = threading.Event()

    def others(self, resume: bool) -> Iterator[dict[str, Any]]:
        """Who holds the lease, at each look, until it can be taken.

        Args:
            resume: Whether to go on with a study that was stopped.

        Raises:
            StudyStopped: It was stopped and is not to be resumed, or was stopped meanwhile.
        """
        return self._others(resume, self._register.get(STOP))

    def _others(self, resume: bool, mark: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
        """See `others`; with the mark that was there before."""
        while True:
            if (now_marked := self._register.get(STOP)) is not None and not (resume and now_marked == mark):
                raise StudyStopped(f"{now_marked['by']} at {now_marked['at']}")
            if (holder := self._watch.holder()) is None:
                return
            yield holder
            time.sleep(self._timing.look)

    @contextmanager
    def held(self, resume: bool) -> Iterator["Lease"]:
        """Hold the lease, after whoever has it; renewed by a thread.

        Args:
            resume: Whether to go on with a study that was stopped.

        Raises:
            StudyStopped: It was stopped and is not to be resumed, or was stopped while this process waited.
        """
        self._acquire(resume)
        database = self._register.database
        listened: list[tuple[str, Callable[..., Any]]] = [
            ("before_cursor_execute", _note_write),
            ("commit", self._check_write),
        ]
        if database:
            for name, listener in listened:
                event.listen(database.engine, name, listener)
        thread = threading.Thread(target=self._keep, daemon=True)
        thread.start()
        try:
            yield self
        except BaseException:
            self._patience.give_up()
            raise
        finally:
            self._over.set()
            thread.join()
            if database:
                for name, listener in listened:
                    event.remove(database.engine, name, listener)
            with suppress(Exception):  # it expires by itself
                self._register.swap(LEASE, self._value, "null")

    def check(self) -> None:
        """Whether the lease is still held, before anything is written elsewhere than in the study's storage.

        Raises:
            LeaseLost: It is not.
        """
        if self._taken_by is None and _clock() - self._renewed > self._timing.expire / 2.0:
            with suppress(Exception):  # nobody takes it over while the storage is away
                self._judge(self._register.read(LEASE))
        if self._taken_by is not None:
            raise LeaseLost(described(self._taken_by))

    def ending(self) -> StudyStopped | None:
        """What ends the study, if someone asked for it."""
        return StudyStopped(f"{self._mark['by']} at {self._mark['at']}") if self._mark else None

    def finished(self) -> None:
        """The study has all its trials: a mark to end it means nothing any more."""
        if self._register.get(STOP) is not None:
            self._register.put(STOP, None)

    def _acquire(self, resume: bool) -> None:
        """Wait for the lease and take it."""
        mark, said = self._register.get(STOP), False
        while True:
            for holder in self._others(resume, mark):
                if not said:
                    said = True
                    self._say(
                        f"the study is run by {described(holder)} (its clock): waiting until that is done or gone"
                    )
            found = json.loads(self._watch.value) if self._watch.value else None
            if self._take(self._watch.value):
                self.former = found["process"] if found else None
                break
        if mark is not None:
            self._register.put(STOP, None)

    def _take(self, old: str | None) -> bool:
        """Take the lease from whoever had it."""
        mine = {
            "token": self._token, "count": 0, "process": process.identity(), "namespace": _namespace(),
            "host": socket.gethostname(), "pid": os.getpid(), "since": _now(), "cluster": self._cluster,
        }  # fmt: skip
        new, began = json.dumps(mine), _clock()

        def take(again: bool) -> bool:
            return self._register.swap(LEASE, old, new) or (again and self._register.read(LEASE) == new)

        if not self._patience(take):
            return False
        self._value, self._renewed = new, began
        return True

    def _keep(self) -> None:
        """Renew the lease, and look for the mark that ends the study, until it is over."""
        while not self._over.wait(self._timing.look) and self._taken_by is None:
            with suppress(Exception):  # the storage is away: who writes waits for it and says so
                marked = self._register.read(STOP)
                self._mark = json.loads(marked) if marked else None
                if _clock() - self._renewed >= self._timing.renew:
                    self._renew()

    def _renew(self) -> None:
        assert self._value is not None
        began, holder = _clock(), json.loads(self._value)
        new = json.dumps(holder | {"count": holder["count"] + 1})
        if self._register.swap(LEASE, self._value, new):
            self._value, self._renewed = new, began
        else:  # taken over, or the answer to an earlier renewal was lost
            self._judge(self._register.read(LEASE))

    def _judge(self, value: str | None) -> None:
        """Note whether the lease is still this process's own."""
        holder = json.loads(value) if value else None
        if holder and holder["token"] == self._token:
            self._value = value
        else:
            self._taken_by = holder or {"pid": "?", "host": "a machine that is not known", "since": "?"}

    def _check_write(self, connection: Connection) -> None:
        """Refuse a transaction that writes, if the lease is lost; until it ends nobody can take the lease."""
        if connection.info.pop(_WRITES, False):
            self._judge(note_in(connection, self._register.study_id, LEASE, locked=True))
            if self._taken_by is not None:
                raise LeaseLost(described(self._taken_by))


def _note_write(connection: Connection, _: Any, statement: str, *__: Any) -> None:
    """Note that a transaction writes."""
    if not statement.lstrip()[:6].upper().startswith(("SELECT", "PRAGMA")):
        connection.info[_WRITES] = True


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether a holder is a process of this machine that has ended; False where that cannot be known."""
    return holder["namespace"] == _namespace() and process.is_gone(holder["process"])


def _namespace() -> str:
    """The namespace of process IDs, which containers of one machine do not share."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _clock() -> float:
    return time.clock_gettime(_CLOCK)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
