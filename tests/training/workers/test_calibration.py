"""Speeds are measured once for a machine and a shape, and choose the size of the stacks."""

import json
from pathlib import Path

import pytest

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared
from pipeline.training.slot import Slot, batch_slots
from pipeline.training.workers import calibration
from pipeline.training.workers.calibration import Speed, calibrate, measure
from tests.training.made import ODD, seeds, trials
from tests.training.replicates import in_replicates, sharing_inputs


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the slots that were measured; each brings other figures."""
    found: list[str] = []

    def made_up(prepared: Prepared, slot: Slot) -> Speed:
        found.append(slot.name)
        return Speed({1: 2.0, 8: 1.0 / len(found)})

    monkeypatch.setattr(calibration, "measure", made_up)
    return found


def silent(line: str) -> None:
    """Says nothing."""


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        ({1: 678, 2: 560, 4: 490, 8: 453, 16: 440}, 8),  # 16 is hardly faster
        ({1: 678, 2: 560, 4: 490, 8: 453, 16: 400}, 16),
        ({1: 109, 2: 104, 4: 101, 8: 100, 16: 120}, 4),
        ({1: 100, 2: 110, 4: 130, 8: 150, 16: 190}, 1),
        ({1: 100, 2: 80}, 2),  # larger ones took too long to measure
        ({1: 100}, 1),
    ],
)
def test_the_size_is_the_fastest_and_of_equally_fast_ones_the_smallest(seconds: dict[int, float], size: int) -> None:
    assert Speed(seconds).size == size


def test_the_time_of_a_step_is_that_of_the_nearest_size_below() -> None:
    speed = Speed({1: 6.0, 2: 5.0, 4: 4.0, 8: 3.0, 16: 2.95})
    assert [speed.step_s(together) for together in (1, 3, 5, 8, 40)] == [6.0, 5.0, 4.0, 3.0, 3.0]


def test_what_was_measured_once_is_known(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, measured: list[str]
) -> None:
    slot = trials([experiment])[0]
    first = calibrate(prepared, slot, tmp_path / "c", silent)
    again = calibrate(prepared, slot, tmp_path / "c", silent)
    assert (first, measured) == (again, ["trial/0"])


def test_numbers_that_change_no_step_are_answered_by_the_same_measurement(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, measured: list[str]
) -> None:
    others = {"training.learning_rate": 0.5, "training.epochs": 9, "model.trunk.dropout": 0.1, "seed": 3}
    for one in (experiment, with_values(experiment, others)):
        calibrate(prepared, trials([one])[0], tmp_path / "c", silent)
    assert len(measured) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"model.trunk.widths": [10]}, {"training.batch_size": 8}, {"training.optimizer": "sgd"},
        {"model.trunk.dropout": 0.0}, {"training.clip_norm": 1.0}, {"model.trunk.norm": "layer"},
        {"balancing.method": "upgrad"}, {"training.watch": {}}, {"precision": "bfloat16"},
    ],
    ids=str,
)  # fmt: skip
def test_another_shape_of_step_is_measured_anew(
    values: dict[str, object], prepared: Prepared, experiment: Experiment, tmp_path: Path, measured: list[str]
) -> None:
    for one in (experiment, with_values(experiment, values)):
        calibrate(prepared, trials([one])[0], tmp_path / "c", silent)
    assert len(measured) == 2


def test_batches_of_ones_own_and_another_machine_are_measured_anew(
    prepared: Prepared, experiment: Experiment, tmp_path: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate(prepared, trials([experiment])[0], tmp_path / "c", silent)
    calibrate(prepared, seeds(experiment, 1)[0], tmp_path / "c", silent)
    monkeypatch.setattr(calibration, "processor", lambda: "another one")
    calibrate(prepared, seeds(experiment, 1)[0], tmp_path / "c", silent)
    assert measured == ["trial/0", "seed/0", "seed/0"]


@pytest.mark.parametrize("text", ["", "{}", '{"seconds": {"one": 1}}', "[]", '{"seconds": {}}'])
def test_a_file_that_says_nothing_is_measured_anew(
    text: str, prepared: Prepared, experiment: Experiment, tmp_path: Path, measured: list[str]
) -> None:
    slot = trials([experiment])[0]
    calibrate(prepared, slot, tmp_path / "c", silent)
    file = next((tmp_path / "c").iterdir())
    file.write_text(text)
    calibrate(prepared, slot, tmp_path / "c", silent)
    assert len(measured) == 2
    assert json.loads(file.read_text())["seconds"] == {"1": 2.0, "8": 0.5}


@pytest.mark.parametrize("own", [False, True])
def test_measuring_tries_every_size_and_says_so(
    own: bool, prepared: Prepared, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "_ENOUGH_S", 0.05)
    slot = seeds(experiment, 1)[0] if own else trials([experiment])[0]
    lines: list[str] = []
    speed = calibrate(prepared, slot, tmp_path / "c", lines.append)
    assert set(speed.seconds) <= set(calibration.SIZES["cpu"])
    assert all(0.0 < seconds < 1.0 for seconds in speed.seconds.values())
    assert lines == [f"  calibrated: {speed}"]


@pytest.mark.parametrize("room", [1, 5])
def test_measuring_keeps_to_half_of_the_memory(
    room: int, prepared: Prepared, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = trials([experiment])[0]
    monkeypatch.setattr(calibration, "available_memory", lambda: 2 * room * calibration.slot_memory(prepared, slot))
    monkeypatch.setattr(calibration, "_PATIENCE_S", 0.0)
    assert max(measure(prepared, slot).seconds) == (1 if room == 1 else 2)


def test_a_network_of_a_replicate_is_measured_on_its_rows_with_batches_of_its_own(
    experiment: Experiment, tmp_path: Path
) -> None:
    shared = sharing_inputs(in_replicates(tmp_path / "data", ODD))
    slots = batch_slots(dict.fromkeys(range(3), with_values(experiment, {"training.seeds": 3})), shared)
    said: list[str] = []
    speed = calibrate(shared, slots[1], tmp_path / "c", said.append)
    assert min(speed.seconds.values()) > 0.0
    assert calibrate(shared, slots[2], tmp_path / "c", said.append) == speed
    assert len(said) == 1
