"""A pool moves slots between its workers, and no value changes by it."""

import os
import pickle
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.training.loop import fit
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.layout import shapes
from pipeline.training.workers.hosts import Host
from pipeline.training.workers.pool import WorkerPool
from pipeline.training.workers.processes import LocalWorker, WorkerProcesses
from tests.training.made import assert_same, experiment_on, seeds, trained, trials
from tests.training.replicates import own_seeds


class Late(LocalWorker):
    """A worker that begins when the test lets it."""

    def __init__(self, lag: float) -> None:
        super().__init__()
        self.lag = lag


class InThisProcess(WorkerProcesses):
    """Workers in this process in place of processes."""

    def __init__(self, *lags: float) -> None:
        super().__init__()
        self.all = [Late(lag) for lag in lags]
        self.closed = False

    def take(self, count: int) -> list[Host]:
        return [*self.all[:count]]

    def joined(self) -> list[Host]:
        return []

    def ready(self, hosts: Sequence[Host], seconds: float | None) -> list[Host]:
        return [host for host in hosts if host.pending]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def experiment(prepared: Prepared) -> Experiment:
    return experiment_on(prepared, {"training.epochs": 5})


def held(pool: WorkerPool) -> list[list[int]]:
    """Sizes of the stacks of each host."""
    return [[len(stack.members) for stack in seat.stacks.values()] for seat in pool._seats]


def ends_as_alone(states: list[SlotState], prepared: Prepared, slots: list[Slot]) -> None:
    alone = trained(prepared, slots)
    for state in states:
        assert_same(state, alone[state.name])


def test_a_worker_that_starts_slowly_takes_its_share_when_it_is_there(
    prepared: Prepared, experiment: Experiment
) -> None:
    workers, layouts = InThisProcess(100.0), []
    slots = seeds(experiment, 5)

    def barrier(states: list[SlotState]) -> list[str]:
        layouts.append(held(pool))
        workers.all[0].lag = 100.0 if states[0].looks < 2 else 0.0
        return []

    with WorkerPool(2, engine=workers) as pool:
        states = fit(pool, prepared, slots, barrier)
    assert layouts[:4] == [[[5], []], [[5], []], [[3], [2]], [[3], [2]]]
    ends_as_alone(states, prepared, slots)


def test_slots_move_to_a_worker_whose_own_have_left_and_stacks_are_merged(
    prepared: Prepared, experiment: Experiment
) -> None:
    slots = trials([with_values(experiment, {"training.learning_rate": 0.01 + 0.001 * n}) for n in range(12)])
    layouts = []

    def barrier(states: list[SlotState]) -> list[str]:
        layouts.append(held(pool))
        return [member.name for member in pool._seats[1].members[1:]] if states[0].looks == 2 else []

    with WorkerPool(2, block=4, engine=InThisProcess(0.0)) as pool:
        states = fit(pool, prepared, slots, barrier)
    assert layouts[:2] == [[[3, 3], [3, 3]], [[3, 3], [3, 3]]]
    assert layouts[2] == [[4], [3]]
    stayed = [slot for slot in slots if {state.name: state for state in states}[slot.name].status == "finished"]
    assert len(stayed) == 7
    ends_as_alone([state for state in states if state.status == "finished"], prepared, stayed)


def test_a_small_gain_moves_nothing(prepared: Prepared, experiment: Experiment) -> None:
    layouts = []

    def barrier(states: list[SlotState]) -> list[str]:
        layouts.append(held(pool))
        return ["seed/0"] if states[0].looks == 1 else []

    with WorkerPool(2, block=9, engine=InThisProcess(0.0)) as pool:
        fit(pool, prepared, seeds(experiment, 17), barrier)
    assert layouts[:2] == [[[9], [8]], [[8], [8]]]


def test_finished_slots_survive_a_move(prepared: Prepared, experiment: Experiment) -> None:
    stopping = with_values(experiment, {"training.early_stopping": {"patience": 1, "min_delta": 1.0}})
    slots = trials([stopping] * 3 + [experiment] * 4)
    workers = InThisProcess(100.0)

    def barrier(states: list[SlotState]) -> list[str]:
        workers.all[0].lag = 0.0 if states[0].looks == 3 else workers.all[0].lag
        return []

    with WorkerPool(2, engine=workers) as pool:
        states = fit(pool, prepared, slots, barrier)
    assert [state.looks for state in states] == [2] * 3 + [5] * 4
    ends_as_alone(states, prepared, slots)


def test_workers_stay_for_the_next_pool_and_end_with_their_owner(prepared: Prepared, experiment: Experiment) -> None:
    workers, slots = WorkerProcesses(), seeds(experiment, 2)
    found = []
    for _ in range(2):
        with WorkerPool(2, engine=workers) as pool:
            ends_as_alone(fit(pool, prepared, slots, lambda states: []), prepared, slots)
            found.append(workers.take(1)[0]._process.pid)
    assert found[0] == found[1]
    assert len(workers.starts()) == workers.count == 1
    assert 0.0 < workers.starts()[0] < 60.0
    workers.close()
    assert workers.count == 0
    with pytest.raises(ProcessLookupError):
        os.kill(found[0], 0)


def test_an_error_ends_the_workers_that_may_still_be_busy(prepared: Prepared, experiment: Experiment) -> None:
    workers = InThisProcess(0.0)

    def barrier(states: list[SlotState]) -> list[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), WorkerPool(2, engine=workers) as pool:
        fit(pool, prepared, seeds(experiment, 2), barrier)
    assert workers.closed


def test_what_does_not_fit_into_memory_is_one_line_before_any_is_taken(
    prepared: Prepared, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.training.workers.memory.available_memory", lambda: 10_000)
    monkeypatch.setattr("pipeline.training.workers.processes.Stack", None)
    with WorkerPool(1) as pool, pytest.raises(Failure, match="a network needs"):
        fit(pool, prepared, seeds(experiment, 2), lambda states: [])


def test_what_goes_to_a_worker_has_no_rows_and_no_vocabularies(prepared: Prepared, experiment: Experiment) -> None:
    words = {"kind": "text", "ids": 9, "words": [f"word {number}" for number in range(10_000)]}
    sources = {name: replace(it, encoding=words) for name, it in prepared.sources.items()}
    one = replace(prepared, sources=sources)
    whole = replace(one, replicates=(one,) * 10)
    sent = whole.read_only()
    assert len(pickle.dumps(sent)) < 10_000 < len(pickle.dumps(whole)) / 10
    assert sent.replicates[3].sources["left"].ids == 9
    slots = own_seeds(experiment, whole)
    assert shapes(sent, slots) == shapes(whole, slots)
