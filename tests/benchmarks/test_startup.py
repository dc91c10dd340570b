"""What it costs to begin: what is asked, and programs that run."""

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import startup
from benchmarks.startup import BARE, IMPORT, checks


@pytest.mark.parametrize(("seconds", "holds"), [(0.11, True), (0.13, False)])
def test_the_import_may_add_a_tenth_of_a_second(seconds: float, holds: bool) -> None:
    assert [it for _, it in checks(pd.Series({BARE: 0.02, IMPORT: seconds}))] == [holds]


def test_each_program_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "ASKED_S", 100.0)
    shown = CliRunner().invoke(startup.main, ["--repeats", "1"])
    assert shown.exit_code == 0, shown.output
    assert all(name in shown.output for name in startup.PROGRAMS)
