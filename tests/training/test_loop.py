"""However slots are laid out, and wherever training is broken off, the weights are the same."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import pipeline
from pipeline.config import Experiment, load, with_values
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.model import Pass
from pipeline.throttle import Throttle
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import fit
from pipeline.training.optim.per_slot import Optimizer
from pipeline.training.slot import Slot, SlotState, seed_slots, trial_slot
from pipeline.training.workers.pool import WorkerPool
from tests.conftest import REPOSITORY

OURS = str(Path(pipeline.__file__).parent)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return load("digits", {"training.epochs": 4, "training.seeds": 5, "model.trunk.widths": [12]}, REPOSITORY)


@pytest.fixture(scope="module")
def prepared(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(experiment, Place("sample", folder, None, folder), folder, lambda line: None)
    return open_prepared(folder)


def stay(states: list[SlotState]) -> list[str]:
    return []


def weights(states: Sequence[SlotState]) -> dict[str, bytes]:
    return {state.name: state.arrays["best.values"].tobytes() for state in states}


def trained(prepared: Prepared, slots: Sequence[Slot], processes: int = 1, barrier=stay) -> list[SlotState]:  # type: ignore[no-untyped-def]
    with WorkerPool(processes) as pool:
        return fit(pool, prepared, slots, barrier)


@pytest.fixture(scope="module")
def reference(experiment: Experiment, prepared: Prepared) -> dict[str, bytes]:
    return weights([state for slot in seed_slots(experiment, prepared) for state in trained(prepared, [slot])])


@pytest.mark.parametrize(("size", "processes"), [(1, 1), (2, 1), (5, 1), ("auto", 1), (2, 2)])
def test_blocks_and_processes_change_no_bit(
    size: int | str, processes: int, experiment: Experiment, prepared: Prepared, reference: dict[str, bytes]
) -> None:
    slots = seed_slots(with_values(experiment, {"slots": size}), prepared)
    assert weights(trained(prepared, slots, processes)) == reference


def test_slots_of_several_shapes_train_together(experiment: Experiment, prepared: Prepared) -> None:
    shapes = [with_values(experiment, {"model.trunk.widths": [width]}) for width in (8, 12, 8)]
    slots = [trial_slot(number, shape) for number, shape in enumerate(shapes)]
    together = trained(prepared, slots)
    assert [state.name for state in together] == ["trial/0", "trial/1", "trial/2"]
    alone = weights([state for slot in slots for state in trained(prepared, [slot])])
    assert weights(together) == alone


def test_a_slot_that_is_told_to_leave_is_pruned_and_the_others_feel_nothing(
    experiment: Experiment, prepared: Prepared, reference: dict[str, bytes]
) -> None:
    def barrier(states: list[SlotState]) -> list[str]:
        return ["seed/1"] if states[0].looks == 2 else []

    states = {state.name: state for state in trained(prepared, seed_slots(experiment, prepared), 2, barrier)}
    assert (states["seed/1"].status, states["seed/1"].looks) == ("pruned", 2)
    found = weights(list(states.values()))
    assert {name: found[name] for name in found if name != "seed/1"} == {
        name: reference[name] for name in reference if name != "seed/1"
    }


class Killed(BaseException):
    """Stands for a process that ends without a word."""


def test_broken_off_three_times_and_resumed_in_other_blocks_the_weights_are_the_same(
    experiment: Experiment, prepared: Prepared, reference: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "c.safetensors"
    states: list[SlotState] = []
    for break_at, size in ((1, 5), (2, 2), (3, 1), (99, 3)):

        def barrier(states: list[SlotState], break_at: int = break_at) -> list[str]:
            if states[0].looks > break_at:
                raise Killed
            return []

        checkpoint = Checkpoint(path, Throttle(math.inf))
        slots = seed_slots(with_values(experiment, {"slots": size}), prepared)
        try:
            with WorkerPool(1) as pool:
                states = fit(pool, prepared, slots, barrier, checkpoint, checkpoint.read())
        except Killed:
            assert max(state.looks for state in checkpoint.read().values()) == break_at
    assert weights(states) == reference


def test_a_finished_checkpoint_answers_without_training(
    experiment: Experiment, prepared: Prepared, reference: dict[str, bytes], tmp_path: Path
) -> None:
    checkpoint = Checkpoint(tmp_path / "c.safetensors")
    slots = seed_slots(experiment, prepared)
    with WorkerPool(1) as pool:
        fit(pool, prepared, slots, stay, checkpoint)

        def never(states: list[SlotState]) -> list[str]:
            raise AssertionError

        assert weights(fit(pool, prepared, slots, never, checkpoint, checkpoint.read())) == reference


def test_an_error_in_a_worker_is_raised_here(experiment: Experiment, prepared: Prepared) -> None:
    wrong = with_values(experiment, {"data.validation": 0.2})
    missing = Prepared(prepared.folder / "gone", prepared.sources, prepared.tasks)
    with pytest.raises(FileNotFoundError):
        trained(missing, seed_slots(wrong, missing), 2)


def test_from_fit_to_an_optimizers_step_there_are_at_most_seven_frames(
    experiment: Experiment, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, found = Optimizer.step, []

    def counted(optimizer: Optimizer, this: Pass) -> None:
        frame, names = sys._getframe(1), ["step"]
        while names[-1] != "fit":
            if frame.f_code.co_filename.startswith(OURS):
                names.append(frame.f_code.co_name)
            assert frame.f_back
            frame = frame.f_back
        found.append(names)
        step(optimizer, this)

    monkeypatch.setattr(Optimizer, "step", counted)
    trained(prepared, seed_slots(with_values(experiment, {"training.epochs": 1}), prepared))
    assert found
    assert max(map(len, found)) <= 7, found[0]


def test_the_loop_is_one_short_file() -> None:
    assert len((Path(OURS) / "training" / "loop.py").read_text().splitlines()) <= 150
