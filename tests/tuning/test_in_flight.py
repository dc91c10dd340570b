"""Several batches in flight: what each knows, and what is said of how many there are."""

from pathlib import Path
from typing import Any

import pytest
from optuna.study import Study
from optuna.trial import TrialState

from pipeline.config import Experiment, load, values_read
from pipeline.data.prepared import Prepared
from pipeline.training.workers.processes import WorkerProcess
from pipeline.tuning.in_flight import advice, trials_in_flight
from pipeline.tuning.proposals import Proposals, batch_at
from pipeline.tuning.search import Callbacks
from pipeline.tuning.writer import TrialWriter

from .studies import PROJECT, assert_equal, digits, searched
from .test_proposals import new_study, tell

SPACE = {"training.learning_rate": {"float": [1e-4, 1e-2], "log": True}}
TWO = {"tuning.batches_in_flight": 2}


@pytest.fixture(scope="module")
def reference(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Study:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.tuning.samplers.STARTUP_TRIALS", 4)
        return searched(digits(TWO), prepared, tmp_path_factory.mktemp("reference"))


def test_neither_processes_nor_slots_change_the_table(prepared: Prepared, reference: Study, tmp_path: Path) -> None:
    assert_equal(searched(digits(TWO | {"slots": 1}), prepared, tmp_path / "slots"), reference)
    assert_equal(searched(digits(TWO), prepared, tmp_path / "processes", processes=2), reference)


def test_a_batch_is_compared_at_a_rung_with_itself_and_those_it_knew(reference: Study) -> None:
    at_rung = [trial.intermediate_values[2] for trial in reference.trials]
    for start, known in ((0, 0), (4, 0), (8, 4)):
        values = [*at_rung[:known], *at_rung[start : start + 4]]
        worst_going_on = sorted(values, reverse=True)[len(values) // 2 - 1]
        for trial in reference.trials[start : start + 4]:
            assert (trial.state == TrialState.COMPLETE) == (trial.intermediate_values[2] >= worst_going_on)


def test_a_continued_study_equals_one_of_that_many_from_the_start(
    prepared: Prepared, reference: Study, tmp_path: Path
) -> None:
    searched(digits(TWO | {"tuning.trials": 8}), prepared, tmp_path)
    assert_equal(searched(digits(TWO), prepared, tmp_path), reference)


def test_so_many_batches_are_begun_before_the_first_ends(prepared: Prepared, tmp_path: Path) -> None:
    heard: list[object] = []
    callbacks = Callbacks(
        batch=lambda trials: heard.append([trial.number for trial in trials]),
        look=lambda states: heard.append(states[0].looks),
    )
    values = {"tuning.trials": 6, "tuning.batch": 2, "training.epochs": 2, "tuning.pruner": "none", "slots": 2}
    searched(digits(TWO | values), prepared, tmp_path, callbacks=callbacks)
    assert heard[:2] == [[0, 1], [2, 3]]
    assert heard.index([4, 5]) >= 4


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random", "qmc"])
def test_a_batch_knows_what_was_recorded_before_it_was_due_and_nothing_of_what_was_by_chance(sampler: str) -> None:
    experiment = digits({"tuning.space": SPACE, "tuning.pruner": "none", "tuning.sampler": sampler} | TWO)
    found = []
    for early in (False, True):  # the second batch is recorded before the third is proposed, or after
        study = new_study()
        for start in (0, 4):
            ask(study, experiment, start)
        tell(study, range(4))
        if early:
            tell(study, range(4, 8))
        ask(study, experiment, 8)
        found.append([trial.params for trial in study.trials])
    assert found[0] == found[1]
    assert len(found[0]) == 12


def test_with_one_in_flight_it_knows_all_before_it() -> None:
    one, two = digits({"tuning.space": SPACE}), digits({"tuning.space": SPACE} | TWO)
    found = []
    for experiment in (one, two):
        study = new_study()
        for start in (0, 4, 8):
            ask(study, experiment, start)
            tell(study, range(start, start + 4))
        found.append([trial.params for trial in study.trials])
    assert found[0][:4] == found[1][:4]
    assert found[0][4:] != found[1][4:]


def ask(study: Study, experiment: Experiment, start: int) -> None:
    proposals = Proposals(study, TrialWriter(study), experiment)
    proposals.ask(batch_at(proposals.trials, start, experiment))


def test_a_mirror_that_is_kept_proposes_what_a_new_one_does() -> None:
    experiment = digits({"tuning.space": SPACE, "tuning.trials": 24} | TWO)
    kept, anew = new_study(), new_study()
    mirror = Proposals(kept, TrialWriter(kept), experiment)
    for start in range(0, 24, 4):
        mirror.ask(batch_at(mirror.trials, start, experiment))
        ask(anew, experiment, start)
        for study in (kept, anew):
            tell(study, range(start, start + 4))
        mirror.told()
    assert [trial.params for trial in kept.trials] == [trial.params for trial in anew.trials]


def test_a_host_has_two_stretches_ahead_where_nobody_waits(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, call = [0], WorkerProcess.call

    def noted(worker: WorkerProcess, method: str, *args: object) -> None:
        call(worker, method, *args)
        ahead.append(worker.pending)

    monkeypatch.setattr(WorkerProcess, "call", noted)
    values = {"tuning.pruner": "none", "training.epochs": 6, "tuning.trials": 8}
    searched(digits(TWO | values), prepared, tmp_path, processes=2)
    assert 2 <= max(ahead) <= 4  # two stretches, after a stack was opened


def test_the_number_in_flight_is_part_of_the_identity_and_its_default_leaves_old_ones_as_they_were() -> None:
    one, two = digits(), digits(TWO)
    key = "tuning.batches_in_flight"
    assert key not in values_read(one, "study")
    assert values_read(two, "study") == values_read(one, "study") | {key: 2}
    assert key not in values_read(digits({key: 1}), "study")


@pytest.mark.parametrize(
    ("values", "hosts", "here", "lines"),
    [
        ({}, 2, True, []),
        ({}, 4, True, []),
        ({}, 16, True, ["8 trials in flight for 16 hosts, some of which will wait"]),
        ({}, 3, False, ["8 trials in flight for 3 hosts"]),
        ({"tuning.batches_in_flight": 4}, 8, False, []),
        ({"tuning.trials": 8}, 16, False, []),  # all there are
        (
            {"tuning.batches_in_flight": 8, "tuning.sampler": "tpe"},
            4,
            False,
            ["64 of 256 trials in flight: tpe propos"],
        ),
        ({"tuning.batches_in_flight": 8, "tuning.sampler": "random"}, 4, False, []),
        ({"tuning.batches_in_flight": 8, "tuning.replicates": 32}, 4, False, []),  # too few each to learn from
    ],
)
def test_too_few_or_too_many_in_flight_are_said(
    values: dict[str, Any], hosts: int, here: bool, lines: list[str]
) -> None:
    whole = {"tuning.batch": 8, "tuning.trials": 256, "tuning.replicates": 1} | values
    experiment = load("digits", whole, PROJECT)
    found = advice(experiment, hosts, here)
    assert len(found) == len(lines)
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True))
    assert trials_in_flight(experiment) <= 64
