"""A study killed anywhere and resumed equals an unbroken one."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, islice, product
from pathlib import Path
from typing import Any

import pytest
from optuna.storages._cached_storage import _CachedStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from pipeline.config import Experiment, load, with_values
from pipeline.data.prepared import Prepared
from pipeline.throttle import Throttle
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.slot import SlotState
from pipeline.training.workers.pool import WorkerPool
from pipeline.training.workers.processes import WorkerProcesses
from pipeline.tuning import samplers
from pipeline.tuning.search import Callbacks, search
from pipeline.tuning.writer import TrialWriter
from tests.training.workers.ray.made import until

from .studies import PROJECT, assert_equal, digits, prepared_at, searched, study_in

WRITES: list[tuple[type, str]] = [
    (_CachedStorage, "create_new_trial"), (_CachedStorage, "set_trial_state_values"), (TrialWriter, "report"),
    (TrialWriter, "attributes"),
]  # fmt: skip
QUICK = {"training.epochs": 3}


class Killed(BaseException):
    """What SIGKILL does, as far as one process can do it to itself."""


@pytest.fixture(scope="module", params=[1, 2], ids=["one_in_flight", "two_in_flight"])
def experiment(request: pytest.FixtureRequest) -> Experiment:
    return digits(QUICK | {"tuning.batches_in_flight": request.param})


@pytest.fixture(scope="module")
def reference(experiment: Experiment, prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Study:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.tuning.samplers.STARTUP_TRIALS", 4)
        return searched(experiment, prepared, tmp_path_factory.mktemp("reference"))


def kill_at(monkeypatch: pytest.MonkeyPatch, places: list[tuple[type, str]], when: int, before: bool) -> None:
    """Die at the nth call of any of these methods, before it does its work or after."""
    calls = count(1)

    def deadly(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            dies = next(calls) == when
            if dies and before:
                raise Killed
            answer = method(*args, **kwargs)
            if dies:
                raise Killed
            return answer

        return call

    for owner, name in places:
        monkeypatch.setattr(owner, name, deadly(getattr(owner, name)))


def sessions(
    monkeypatch: pytest.MonkeyPatch,
    places: list[tuple[type, str]],
    run: Callable[[], object],
    deaths: Iterator[tuple[int, bool]],
) -> int:
    """Run again and again, each time killed where `deaths` says, until a run lives to its end; how many died."""
    for died, (when, before) in enumerate(islice(deaths, 100)):
        with monkeypatch.context() as patch:
            kill_at(patch, places, when, before)
            try:
                run()
            except Killed:
                continue
            return died
    raise AssertionError("never ended")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_study_killed_at_any_write_of_its_storage_equals_an_unbroken_one(
    before: bool,
    experiment: Experiment,
    prepared: Prepared,
    reference: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaths = ((1 + died % 8, before) for died in count())  # the first of a batch is told in six
    died = sessions(monkeypatch, WRITES, lambda: searched(experiment, prepared, tmp_path), deaths)
    assert died > 7
    assert_equal(study_in(tmp_path), reference)


def test_a_study_killed_around_epochs_checkpoints_and_callbacks_equals_an_unbroken_one(
    experiment: Experiment, prepared: Prepared, reference: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Throttle, "due", lambda _: True)  # after every epoch, not every two seconds
    told: list[int] = []
    callbacks = Callbacks(trial=lambda trial, *_: told.append(trial.number))
    places: list[tuple[type, str]] = [
        (WorkerPool, "advance"), (WorkerPool, "leave"), (Checkpoint, "write"), (Checkpoint, "remove"),
        (TrialWriter, "end"),
    ]  # fmt: skip
    deaths = ((when, bool(when % 2)) for when in count(2))
    died = sessions(monkeypatch, places, lambda: searched(experiment, prepared, tmp_path, callbacks=callbacks), deaths)
    assert died > 4
    assert_equal(study_in(tmp_path), reference)
    assert set(told) == set(range(12))
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_kill_after_the_last_trial_was_told_leaves_none_unheard_of(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = digits(QUICK | {"tuning.trials": 4})
    heard: list[int] = []

    def on_trial(trial: FrozenTrial, state: SlotState, tried: Experiment) -> None:
        assert list(trial.intermediate_values) == list(range(1, state.looks + 1))
        heard.append(trial.number)
        if heard == [0, 1, 2, 3]:
            raise Killed

    with pytest.raises(Killed):
        searched(experiment, prepared, tmp_path, callbacks=Callbacks(trial=on_trial))
    assert all(trial.state.is_finished() for trial in study_in(tmp_path).trials)
    trained: list[WorkerPool] = []
    monkeypatch.setattr(WorkerPool, "advance", lambda pool: trained.append(pool) or [])
    for _ in range(2):
        searched(experiment, prepared, tmp_path, callbacks=Callbacks(trial=on_trial))
    assert heard == [0, 1, 2, 3, 0, 1, 2, 3]
    assert len(trained) == 1


def test_what_the_storage_had_not_heard_of_before_a_kill_it_hears_of_after(
    experiment: Experiment, prepared: Prepared, reference: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.tuning.search._Search._report", lambda *_: None)
        patch.setattr(TrialWriter, "attributes", kill)
        with pytest.raises(Killed):
            searched(experiment, prepared, tmp_path)
    assert [trial.intermediate_values for trial in study_in(tmp_path).trials] == [{}] * len(study_in(tmp_path).trials)
    assert_equal(searched(experiment, prepared, tmp_path), reference)


def kill(*_: object, **__: object) -> None:
    raise Killed


def start(experiment: Experiment, prepared: Prepared, folder: Path, epochs: int = 0) -> subprocess.Popen[bytes]:
    """A search in a process of its own, which kills itself after so many epochs if that is more than 0."""
    folder.mkdir(exist_ok=True)
    file = folder / "experiment.json"
    file.write_text(experiment.model_dump_json())
    values = [file, prepared.folder, folder, samplers.STARTUP_TRIALS, epochs]
    return subprocess.Popen([sys.executable, "-m", "tests.tuning.killable", *map(str, values)], cwd=PROJECT)


def kill_when(process: subprocess.Popen[bytes], study: Study, trials: int, values: int) -> None:
    """Kill a search as soon as its study has so many trials and intermediate values."""
    while process.poll() is None:
        now = study.get_trials(deepcopy=False)
        if len(now) >= trials and sum(len(trial.intermediate_values) for trial in now) >= values:
            process.kill()
        time.sleep(0.02)


def test_a_study_killed_by_sigkill_equals_an_unbroken_one(
    experiment: Experiment, prepared: Prepared, reference: Study, tmp_path: Path
) -> None:
    process = start(with_values(experiment, {"processes": 1}), prepared, tmp_path, epochs=5)
    assert process.wait() == -signal.SIGKILL
    assert len(study_in(tmp_path).trials) >= 8
    assert_equal(searched(experiment, prepared, tmp_path), reference)


@pytest.mark.slow
def test_a_study_whose_workers_are_killed_up_to_five_times_has_the_same_trials(
    experiment: Experiment, prepared: Prepared, reference: Study, tmp_path: Path
) -> None:
    engine, said, looks = WorkerProcesses(), list[str](), count(1)

    def started() -> list[int]:
        return [pid for it in engine._all if it.alive and it.start_s is not None and (pid := it._process.pid)]

    def on_epoch(_: object) -> None:
        if next(looks) % 2 == 0 and len(said) < 5 and (found := started() if said else until(started)):
            os.kill(draw.choice(found), signal.SIGKILL)

    draw, study = random.Random(3), study_in(tmp_path)
    with WorkerPool(3, engine=engine, log=said.append) as pool:
        search(study, experiment, prepared, pool, tmp_path / "checkpoints", Callbacks(look=on_epoch))
    engine.close()
    assert_equal(study, reference)
    assert said


@pytest.mark.slow
def test_50_trials_on_mnist_and_fashion_are_equal_for_any_stacks_processes_and_two_kills(tmp_path: Path) -> None:
    values = {"tuning.trials": 50, "tuning.batch": 10, "training.epochs": 4}
    experiment = load("mnist_fashion", values, PROJECT)
    prepared = prepared_at(experiment, tmp_path / "prepared")
    reference = searched(experiment, prepared, tmp_path / "reference")
    for slots, processes in product((1, 4, 8), (1, 2)):
        folder = tmp_path / f"{slots}-{processes}"
        run = load("mnist_fashion", values | {"slots": slots, "processes": processes}, PROJECT)
        for trials, reported in ((12, 30), (36, 100)):
            process = start(run, prepared, folder)
            kill_when(process, study_in(folder), trials, reported)
            assert process.returncode == -signal.SIGKILL
        assert_equal(searched(run, prepared, folder, processes), reference)
