"""What a reference may take follows from what the steps before it took."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.steps.context import Context, StepResult
from pipeline.steps.evaluate import reference_s
from pipeline.steps.runs.logged import duration_s


def context(**seconds: float | None) -> Context:
    """A command's steps, by what they took; None of one that has not ended."""

    def run(run_id: str) -> Any:
        if run_id not in seconds:
            return None
        took = seconds[run_id]
        return SimpleNamespace(info=SimpleNamespace(start_time=7000, end_time=took and 7000 + round(took * 1000)))

    made = Context(Path(), cast(Any, None), cast(Any, SimpleNamespace(get=run)), cast(Any, None))
    made.done = {name: StepResult(name, "key", name, Path(), cached=name == "prepare") for name in (*seconds, "gone")}
    return made


def test_a_step_takes_from_its_start_to_its_end_and_one_that_is_gone_is_not_known() -> None:
    made = context(prepare=1.5, train=None)
    taken = {name: duration_s(made, done) for name, done in made.done.items()}
    assert taken == pytest.approx({"prepare": 1.5, "train": float("nan"), "gone": float("nan")}, nan_ok=True)


def test_references_get_half_of_what_the_steps_before_duration_so_a_third_of_all() -> None:
    assert reference_s(context(prepare=20.0, train=100.0, tune=None)) == 60.0


def test_references_get_five_seconds_at_least() -> None:
    assert reference_s(context(prepare=1.0)) == 5.0
