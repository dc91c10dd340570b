from pathlib import Path

import pytest

from pipeline.config import load, with_values
from pipeline.errors import UserError
from pipeline.steps import device
from pipeline.steps.candidates import job_arms, study_of
from pipeline.steps.device import exactness, on_device, resolve_device
from pipeline.steps.train import Train
from tests.conftest import REPOSITORY
from tests.steps.made import PREPARE

DEBUG = load("debug", {}, REPOSITORY)


@pytest.mark.parametrize(
    ("asked", "gpus", "expected"), [("auto", 0, "cpu"), ("auto", 1, "cuda"), ("cpu", 1, "cpu"), ("cuda", 2, "cuda")]
)
def test_a_gpu_is_taken_where_the_driver_reports_one(
    asked: str, gpus: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_gpus", lambda: gpus)
    assert resolve_device(with_values(DEBUG, {"device": asked})) == expected


def test_asking_for_a_gpu_where_there_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_gpus", lambda: 0)
    with pytest.raises(UserError, match="device=cuda: the driver reports no GPU here"):
        resolve_device(with_values(DEBUG, {"device": "cuda"}))


def test_the_experiment_trains_on_the_resolved_device() -> None:
    assert on_device(DEBUG, "cuda").device == "cuda"
    assert DEBUG.device == "auto"


def test_runs_whose_machines_may_differ_are_marked() -> None:
    mixed = with_values(DEBUG, {"mixed": True})
    assert "headway.mixed" not in Train(DEBUG, "default", PREPARE, "cpu").tags()
    assert Train(mixed, "default", PREPARE, "cpu").tags()["headway.mixed"].endswith("equal within a tolerance")
    assert study_of(job_arms(mixed)[0], PREPARE, "cpu").tags()["headway.mixed"].endswith("equal within a tolerance")


def test_slots_are_part_of_a_key_on_a_gpu_only() -> None:
    other = with_values(DEBUG, {"slots": 4})
    assert exactness(DEBUG, "cpu") == exactness(other, "cpu")
    for make in (
        lambda it, on: Train(it, "default", PREPARE, on),
        lambda it, on: study_of(job_arms(it)[0], PREPARE, on),
    ):
        assert make(DEBUG, "cpu").key().digest == make(other, "cpu").key().digest
        assert make(DEBUG, "cuda").key().digest != make(other, "cuda").key().digest
        assert make(DEBUG, "cuda").key().digest != make(DEBUG, "cpu").key().digest


def test_code_and_weights_of_ones_own_are_part_of_a_key_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "plugins" not in exactness(DEBUG, "cpu")
    monkeypatch.syspath_prepend(tmp_path)
    code, weights = tmp_path / "own_for_key.py", tmp_path / "weights.pth"
    code.write_text("class Net: ...\n")
    weights.write_bytes(b"1")
    own = with_values(DEBUG, {"model.trunk": {"kind": "own_for_key:Net", "widths": None}})
    network = {"kind": "torchvision", "network": "resnet18", "weights": str(weights)}
    for experiment, file in ((own, code), (with_values(DEBUG, {"model.trunk": network}), weights)):
        before = Train(experiment, "default", PREPARE, "cpu").key().digest
        assert Train(experiment, "default", PREPARE, "cpu").key().digest == before
        file.write_bytes(file.read_bytes() + b"\n")
        assert Train(experiment, "default", PREPARE, "cpu").key().digest != before
        file.unlink()
        with pytest.raises(UserError, match=r"there is no module 'own_for_key'|weights\.pth cannot be read"):
            exactness(experiment, "cpu")
