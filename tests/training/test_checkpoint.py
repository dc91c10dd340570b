"""A checkpoint keeps every number exactly, and is never half there."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline import throttle
from pipeline.throttle import Throttle
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.slot import SlotState


def state(name: str = "seed/0") -> SlotState:
    return SlotState(
        name,
        history=[{"train/a/nll": 0.1 + 0.2, "validation/a/accuracy": math.nan}],
        best_look=1,
        best_objective=1 / 3,
        plateau_best=-math.inf,
        arrays={"values": np.arange(5, dtype=np.float32) / 3, "best.values": np.ones(2, np.float32)},
    )


def test_what_was_written_is_read_bit_for_bit(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "deep" / "c.safetensors")
    checkpoint.write([state(), state("seed/1")])
    read = checkpoint.read()
    assert list(read) == ["seed/0", "seed/1"]
    one, expected = read["seed/0"], state()
    assert one.history[0]["train/a/nll"] == expected.history[0]["train/a/nll"]
    assert math.isnan(one.history[0]["validation/a/accuracy"])
    assert (one.best_objective, one.plateau_best) == (1 / 3, -math.inf)
    assert one.arrays["values"].tobytes() == expected.arrays["values"].tobytes()


def test_where_nothing_was_written_nothing_is_read(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "c.safetensors").read() == {}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path / "c.safetensors")
    checkpoint.write([state()])
    monkeypatch.setattr("os.fsync", lambda file: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        checkpoint.write([state("seed/1")])
    assert list(checkpoint.read()) == ["seed/0"]


def test_it_is_due_as_often_as_its_pace_allows(tmp_path: Path) -> None:
    assert not Checkpoint(tmp_path / "c").due()
    assert Checkpoint(tmp_path / "c", Throttle(math.inf)).due()


def test_the_time_to_bring_the_states_here_counts_as_its_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(throttle.time, "monotonic", lambda: now[0])

    def from_far() -> Iterator[SlotState]:
        now[0] += 1.0
        yield state()

    checkpoint = Checkpoint(tmp_path / "c", Throttle(0.01))
    checkpoint.write(from_far())
    now[0] += 99.0
    assert not checkpoint.due()
    now[0] += 1.0
    assert checkpoint.due()


def test_removing_twice_is_no_error(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "c.safetensors")
    checkpoint.write([state()])
    checkpoint.remove()
    checkpoint.remove()
    assert checkpoint.read() == {}
