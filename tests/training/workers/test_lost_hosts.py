"""A host that is lost costs what it was doing, and no value."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.throttle import Throttle
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import fit
from pipeline.training.slot import Slot, SlotState
from pipeline.training.workers import seat
from pipeline.training.workers.hosts import Host
from pipeline.training.workers.pool import WorkerPool
from pipeline.training.workers.processes import WorkerProcess, WorkerProcesses
from tests.training.made import assert_same, experiment_on, few_data, seeds, trained

from .mortal import Dies, MortalHosts


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return few_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def experiment(prepared: Prepared) -> Experiment:
    stopping = {"patience": 3, "min_delta": 0.1}
    return experiment_on(prepared, {"training.epochs": 6, "training.early_stopping": stopping})


@pytest.fixture(scope="module")
def slots(experiment: Experiment) -> list[Slot]:
    wide = with_values(experiment, {"model.trunk.widths": [5]})
    return [*seeds(experiment, 7)[:4], *seeds(wide, 7)[4:]]


def leaving(states: list[SlotState]) -> list[str]:
    """One leaves after two looks, three after three, so that slots move."""
    gone = {2: ["seed/1"], 3: ["seed/0", "seed/2", "seed/5"]}.get(max(state.looks for state in states), [])
    return [state.name for state in states if state.name in gone and state.status == "running"]


@pytest.fixture(scope="module")
def undisturbed(prepared: Prepared, slots: list[Slot]) -> list[SlotState]:
    with WorkerPool(1) as pool:
        return fit(pool, prepared, slots, leaving)


def equal(found: list[SlotState], wanted: list[SlotState]) -> None:
    assert [state.name for state in found] == [state.name for state in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        assert_same(ours, theirs)


class Looks:
    """A barrier that holds that every slot comes to each of its looks once, beside the others."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()

    def __call__(self, states: list[SlotState]) -> list[str]:
        self.seen.update((state.name, state.looks) for state in states)
        assert len({state.looks for state in states}) == 1
        assert set(self.seen.values()) == {1}
        return leaving(states)


def nth(method: str, when: str, number: int) -> Dies:
    """The host dies that comes to this moment as the nth."""
    moments = iter(range(1, 10**9))
    return lambda *it: it == (method, when) and next(moments) == number


@pytest.mark.parametrize("trains_here", [True, False])
@pytest.mark.parametrize("when", ["called", "before", "after"])
@pytest.mark.parametrize(
    ("method", "number"), [("open", 1), ("advance", 1), ("advance", 5), ("release", 1), ("leave", 1), ("states", 2)]
)
def test_it_may_be_lost_at_any_moment(
    method: str,
    when: str,
    number: int,
    trains_here: bool,
    prepared: Prepared,
    slots: list[Slot],
    undisturbed: list[SlotState],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Throttle, "due", lambda _: True)
    said: list[str] = []
    died = nth(method, when, number)
    with WorkerPool(3, engine=MortalHosts(died, trains_here=trains_here), log=said.append) as pool:
        equal(fit(pool, prepared, slots, Looks()), undisturbed)
    assert len(said) <= 1
    assert said or number > 1 or method in ("release", "leave")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spare", [0, 10**9])
def test_several_may_be_lost_and_all_but_this_process(
    seed: int, spare: int, prepared: Prepared, slots: list[Slot], undisturbed: list[SlotState],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("pipeline.training.workers.pool._LOST_ALONE", 99)
    if seed % 2:
        monkeypatch.setattr(Throttle, "due", lambda _: True)
    draw = random.Random(seed)
    said: list[str] = []
    engine = MortalHosts(lambda *_: draw.random() < 0.05, spare)
    with WorkerPool(4, block=3, engine=engine, log=said.append) as pool:
        equal(fit(pool, prepared, slots, Looks()), undisturbed)
    assert all("is gone: " in line for line in said)


def test_a_checkpoint_is_as_new_as_what_is_known_when_a_host_is_lost_while_it_is_written(
    prepared: Prepared, slots: list[Slot], undisturbed: list[SlotState], tmp_path: Path
) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint", Throttle(float("inf")))
    looks: list[set[int]] = []
    write = checkpoint.write

    def written(states: object) -> None:
        write(states)  # type: ignore[arg-type]
        looks.append({it.looks for it in checkpoint.read().values() if it.status == "running"})

    checkpoint.write = written  # type: ignore[method-assign, assignment]
    with WorkerPool(3, engine=MortalHosts(nth("states", "before", 2))) as pool:
        equal(fit(pool, prepared, slots, Looks(), checkpoint), undisturbed)
    assert all(len(found) <= 1 for found in looks)
    assert len(looks) > 4


def test_what_it_had_is_said_in_one_line(prepared: Prepared, experiment: Experiment) -> None:
    said: list[str] = []
    with WorkerPool(2, engine=MortalHosts(nth("advance", "after", 1)), log=said.append) as pool:
        fit(pool, prepared, seeds(experiment, 4), lambda _: [])
    assert said == ["host 0 is gone: its 2 networks go on elsewhere from epoch 1"]


def test_its_slots_are_stacked_in_halves_the_second_time(prepared: Prepared, experiment: Experiment) -> None:
    sizes: list[list[int]] = []

    def barrier(states: list[SlotState]) -> list[str]:
        sizes.append(sorted(len(stack.members) for it in pool._seats for stack in it.stacks.values()))
        return []

    with WorkerPool(2, engine=MortalHosts(nth("advance", "before", 2), spare=0)) as pool:
        fit(pool, prepared, seeds(experiment, 8), barrier)
    assert sizes[0] == [4, 4]
    assert sizes[1] == [2, 2, 4]


def test_a_slot_that_loses_three_hosts_by_itself_ends_the_job_with_the_numbers(
    prepared: Prepared, experiment: Experiment
) -> None:
    engine = MortalHosts(lambda method, when: (method, when) == ("advance", "before"), trains_here=False)
    said: list[str] = []
    line = r"^seed/\d alone has lost 3 hosts in a row \(host .* is gone\); it needs \d+ MiB"
    with pytest.raises(Failure, match=line), WorkerPool(2, engine=engine, log=said.append) as pool:
        fit(pool, prepared, seeds(experiment, 4), lambda _: [])
    assert engine.closed
    assert len(said) < 20


def test_without_any_host_it_waits_for_one_and_ends_in_one_line(
    prepared: Prepared, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.training.workers.pool._NO_HOST_S", 2)
    engine = MortalHosts(nth("advance", "before", 1), spare=0, trains_here=False)
    with WorkerPool(1, engine=engine) as pool, pytest.raises(Failure, match="all hosts are gone, and none has come"):
        fit(pool, prepared, seeds(experiment, 4), lambda _: [])


def test_one_that_joins_is_used_from_the_next_barrier_on(prepared: Prepared, experiment: Experiment) -> None:
    class Joining(MortalHosts):
        def take(self, count: int) -> list[Host]:
            return super().take(1)

        def joined(self) -> list[Host]:
            return super().take(1) if len(shares) == 2 else []

    def barrier(states: list[SlotState]) -> list[str]:
        shares.append([len(it.members) for it in pool._seats])
        return []

    shares: list[list[int]] = []
    slots = seeds(with_values(experiment, {"training.early_stopping": None}), 6)
    with WorkerPool(2, engine=Joining(lambda *_: False, trains_here=False)) as pool:
        found = fit(pool, prepared, slots, barrier)
    assert shares[:3] == [[6], [6], [3, 3]]
    equal(found, [*trained(prepared, slots).values()])


def pids(engine: WorkerProcesses) -> list[int]:
    return [pid for it in engine._all if it.alive and (pid := it._process.pid)]


def killing(engine: WorkerProcesses, sent: signal.Signals, times: int, seed: int) -> Callable[[str], None]:
    """Kill a worker process at calls drawn by a seed."""
    draw, left = random.Random(seed), [times]

    def maybe(method: str) -> None:
        if left[0] and method != "clear" and draw.random() < 0.3 and (found := pids(engine)):
            left[0] -= 1
            os.kill(draw.choice(found), sent)

    return maybe


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_worker_processes_killed_at_random_change_no_bit(
    seed: int, prepared: Prepared, slots: list[Slot], undisturbed: list[SlotState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Throttle, "due", lambda _: True)
    engine, said = WorkerProcesses(), list[str]()
    kill, call = killing(engine, signal.SIGKILL, 5, seed), WorkerProcess.call

    def deadly(worker: WorkerProcess, method: str, *args: object) -> None:
        call(worker, method, *args)
        kill(method)

    monkeypatch.setattr(WorkerProcess, "call", deadly)
    with WorkerPool(3, engine=engine, log=said.append) as pool:
        equal(fit(pool, prepared, slots, Looks()), undisturbed)
    engine.close()
    assert said
    assert all(" is gone: " in line for line in said)


@pytest.mark.slow
def test_one_that_hangs_is_given_up(
    prepared: Prepared, slots: list[Slot], undisturbed: list[SlotState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat, "HANGS_S", 1.0)
    engine, said, looks = WorkerProcesses(), list[str](), Looks()

    def barrier(states: list[SlotState]) -> list[str]:
        if states[0].looks == 2:
            os.kill(pids(engine)[0], signal.SIGSTOP)
        return looks(states)

    with WorkerPool(2, engine=engine, log=said.append) as pool:
        equal(fit(pool, prepared, slots, barrier), undisturbed)
    engine.close()
    assert len(said) == 1
    assert said[0].startswith("worker process 1 has not answered for ")
