"""A balancing method whose solver often fails says so at the end, in the report, and as a metric."""

import json
from pathlib import Path
from typing import Any

import pytest
from scipy.optimize import nnls

from tests.conftest import Headway

SAID = "the solver of mgda did not come to its solution in"


def test_steps_without_a_solution_are_told_at_the_end_and_in_the_report(
    project: Path, headway: Headway, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(10**6))

    def every_tenth(*given: Any, **values: Any) -> Any:
        if next(calls) % 10 == 0:
            raise RuntimeError("Maximum number of iterations reached.")
        return nnls(*given, **values)

    monkeypatch.setattr("scipy.optimize.nnls", every_tenth)
    own = ("--set", "balancing.method=mgda", "--set", "tuning=null", "--set", "processes=1")
    ended = headway("run", "debug", *own)
    assert ended.code == 0, ended.err
    (line,) = [it for it in ended.out.splitlines() if SAID in it]
    assert line.startswith("train default: ")
    share = float(line.split("solution in ")[1].split(" %")[0])
    assert share == pytest.approx(10.0, abs=2.0)
    cached = json.loads(headway("run", "debug", *own, "--json").out)
    assert cached["notes"] == [line]
    assert SAID in Path(cached["report"]).read_text(encoding="utf-8")


def test_where_every_step_is_solved_nothing_is_said(project: Path, headway: Headway) -> None:
    ended = json.loads(headway("train", "debug", "--set", "balancing.method=mgda", "--json").out)
    assert ended["notes"] == []
