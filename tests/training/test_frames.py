"""How the training loop calls what it needs."""

import sys
from pathlib import Path

import pytest

import pipeline
from pipeline.data.prepared import Prepared
from pipeline.model import Pass
from pipeline.training.loop import fit
from pipeline.training.optim.per_slot import Optimizer
from pipeline.training.workers.pool import WorkerPool
from tests.training.made import experiment_on, seeds

OURS = str(Path(pipeline.__file__).parent)


def test_from_fit_to_an_optimizers_step_there_are_at_most_seven_frames(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
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
    with WorkerPool(1) as pool:
        fit(pool, prepared, seeds(experiment_on(prepared, {"training.epochs": 1}), 2), lambda states: [])
    assert found
    assert max(map(len, found)) <= 7, found[0]


def test_the_loop_is_one_short_file() -> None:
    assert len((Path(OURS) / "training" / "loop.py").read_text().splitlines()) <= 150
