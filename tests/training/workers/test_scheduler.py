"""The scheduler lays training out by what it costs here, and keeps the workers of a command."""

from pathlib import Path

import pytest

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.training.loop import fit
from pipeline.training.slot import SlotState
from pipeline.training.workers import scheduler
from pipeline.training.workers.calibration import Speed
from pipeline.training.workers.pool import WorkerPool
from pipeline.training.workers.processes import Advanced
from pipeline.training.workers.scheduler import Scheduler, best_processes
from pipeline.training.workers.seat import Seat
from tests.training.made import ODD, assert_same, seeds, trained, trials
from tests.training.replicates import in_replicates, own_seeds

from .mortal import MortalHosts


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "cores", lambda: 2)
    monkeypatch.setattr(scheduler, "load", lambda: 0.0)


@pytest.fixture
def calibrations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the slots that were calibrated, to a second a step."""
    found: list[str] = []

    def made_up(prepared: Prepared, slot: object, folder: Path, tell: object) -> Speed:
        found.append(slot.name)  # type: ignore[attr-defined]
        return Speed({1: 1.5, 8: 1.25, 16: 1.0})

    monkeypatch.setattr(scheduler, "calibrate", made_up)
    return found


@pytest.mark.parametrize(
    ("work_s", "start_s", "together", "cores", "load", "wanted"),
    [
        (100.0, 3.0, 16, 2, 0.0, 2),
        (5.0, 3.0, 16, 2, 0.0, 1),  # a start costs more than it brings
        (5.0, 0.0, 16, 2, 0.0, 2),  # the worker is there
        (100.0, 3.0, 1, 2, 0.0, 1),
        (100.0, 3.0, 5, 4, 0.0, 3),  # a fourth would leave the largest share at two of five
        (100.0, 3.0, 16, 64, 0.0, 16),
        (100.0, 3.0, 16, 2, 2.0, 2),  # with busy neighbours two processes get more than one does
        (10.0, 3.0, 16, 2, 0.0, 2),
        (10.0, 3.0, 16, 2, 2.0, 1),  # but a start takes longer, too
    ],
)
def test_processes_are_as_many_as_end_soonest(
    work_s: float, start_s: float, together: int, cores: int, load: float, wanted: int
) -> None:
    assert best_processes(work_s, start_s, together, cores, load) == wanted


def test_a_short_training_is_neither_calibrated_nor_shared_out(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, calibrations: list[str], two_cores: None
) -> None:
    pool = Scheduler(tmp_path / "c").pool(prepared, seeds(experiment, 5))
    assert (pool.processes, pool.block, calibrations) == (1, 8, [])


def test_a_long_one_is_laid_out_as_measured(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, calibrations: list[str], two_cores: None
) -> None:
    long = with_values(experiment, {"training.epochs": 10**8})
    pool = Scheduler(tmp_path / "c").pool(prepared, seeds(long, 5))
    assert (pool.processes, pool.block, calibrations) == (2, 16, ["seed/0"])


def test_many_trials_make_a_short_training_long(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, calibrations: list[str], two_cores: None
) -> None:
    pool = Scheduler(tmp_path / "c").pool(prepared, trials([experiment] * 4), in_all=10**8)
    assert (pool.processes, calibrations) == (2, ["trial/0"])


def test_what_the_experiment_says_is_done_without_measuring(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, calibrations: list[str]
) -> None:
    said = with_values(experiment, {"training.epochs": 10**8, "slots": 3, "processes": 2})
    pool = Scheduler(tmp_path / "c").pool(prepared, seeds(said, 5))
    assert (pool.processes, calibrations) == (2, [])


def test_there_are_never_more_processes_than_slots(prepared: Prepared, experiment: Experiment, tmp_path: Path) -> None:
    said = with_values(experiment, {"processes": 9})
    assert Scheduler(tmp_path / "c").pool(prepared, seeds(said, 2)).processes == 2


def test_memory_is_looked_at_before_anything_is_measured(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, calibrations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.training.workers.memory.available_memory", lambda: 10_000)
    with pytest.raises(Failure, match="a network needs"):
        Scheduler(tmp_path / "c").pool(prepared, seeds(with_values(experiment, {"training.epochs": 10**8}), 5))
    assert calibrations == []


def test_training_takes_as_long_as_the_largest_share(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, calibrations: list[str], two_cores: None
) -> None:
    steps = 3 * 8  # epochs of 50 rows in batches of 7
    assert Scheduler(tmp_path / "c").training_s(prepared, seeds(experiment, 5)) == 3 * steps * 1.5
    assert Scheduler(tmp_path / "c").training_s(prepared, trials([experiment] * 16)) == 8 * steps * 1.25


def test_busy_neighbours_make_training_longer(
    prepared: Prepared,
    experiment: Experiment,
    tmp_path: Path,
    calibrations: list[str],
    two_cores: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "load", lambda: 3.0)  # two of them, and this process
    assert Scheduler(tmp_path / "c").training_s(prepared, trials([experiment] * 16)) == 2 * 8 * 3 * 8 * 1.25


def test_replicates_are_laid_out_as_slots_of_one_stack(
    experiment: Experiment, tmp_path: Path, calibrations: list[str], two_cores: None
) -> None:
    prepared = in_replicates(tmp_path / "data", ODD)
    slots = own_seeds(with_values(experiment, {"training.epochs": 10**8}), prepared)
    pool = Scheduler(tmp_path / "c").pool(prepared, slots)
    assert (pool.processes, pool.block, calibrations) == (2, 16, ["seed/0"])
    slots = own_seeds(with_values(experiment, {"processes": 1}), prepared)
    assert Scheduler(tmp_path / "c").training_s(prepared, slots) == 3 * 3 * 8 * 1.5


def test_one_worker_serves_several_steps_and_what_its_start_took_is_remembered(
    prepared: Prepared, experiment: Experiment, tmp_path: Path
) -> None:
    said = with_values(experiment, {"processes": 2})
    kept, slots, found = Scheduler(tmp_path / "c"), seeds(said, 2), set()
    for _ in range(2):
        with kept.pool(prepared, slots) as pool:
            states = fit(pool, prepared, slots, lambda states: [])
            found |= {worker._process.pid for worker in kept._workers.take(1)}
        assert {state.name: state.arrays["best.values"].tobytes() for state in states} == {
            name: state.arrays["best.values"].tobytes() for name, state in trained(prepared, slots).items()
        }
    assert len(found) == 1
    started = kept._workers.starts()
    kept.close()
    assert Scheduler(tmp_path / "c")._workers.start_s == pytest.approx(started[0])
    assert kept._workers.count == 0


def test_an_engine_elsewhere_gives_the_hosts_it_has_and_this_machines_memory_plays_no_part(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.training.workers.memory.available_memory", lambda: 10_000)
    engine = MortalHosts(lambda *_: False, trains_here=False)
    kept = Scheduler(tmp_path / "c", engine=engine)
    assert kept.pool(prepared, seeds(experiment, 7)).processes == 7
    slots = seeds(with_values(experiment, {"processes": 3}), 7)
    with kept.pool(prepared, slots) as pool:
        states = fit(pool, prepared, slots, lambda states: [])
    assert len(engine.all) == 3
    wanted = trained(prepared, slots)
    for state in states:
        assert_same(state, wanted[state.name])
    kept.close()
    assert engine.closed


def test_hosts_of_unlike_speed_are_dealt_as_much_as_they_can_do(
    prepared: Prepared, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[list[int]] = []
    engine = MortalHosts(lambda *_: False, trains_here=False)

    def timed(pool: WorkerPool, seat: Seat, shape: object, advanced: Advanced) -> None:
        each = 3.0 if seat.host is engine.all[0] else 1.0
        noted(pool, seat, shape, advanced._replace(seconds=each * len(advanced.states)))

    def barrier(states: list[SlotState]) -> list[str]:
        shares.append([len(seat.members) for seat in pool._seats])
        return []

    noted = WorkerPool._note_seconds
    monkeypatch.setattr(WorkerPool, "_note_seconds", timed)
    with WorkerPool(2, engine=engine) as pool:
        fit(pool, prepared, seeds(with_values(experiment, {"training.epochs": 6}), 12), barrier)
    assert shares[0] == [6, 6]
    assert shares[-2] == [3, 9]


def test_a_scheduler_that_started_nothing_leaves_nothing(tmp_path: Path) -> None:
    Scheduler(tmp_path / "c").close()
    assert not (tmp_path / "c").exists()
