"""What the first line costs: what is asked, and a table that is run by its commands."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import small_costs
from benchmarks.small_costs import checks, user_s


@pytest.mark.parametrize(("seconds", "holds"), [(100.0, True), (100.1, False)])
def test_a_median_may_be_as_much_as_is_asked(seconds: float, holds: bool) -> None:
    medians = pd.Series({(150, True): seconds, (150, False): 1.0, (344, True): 1e9})
    assert [it for _, it in checks(medians)] == [holds, True]


def test_each_size_is_run_tuned_and_not_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(small_costs, "user_s", lambda rows, tuned, processes: asked.append((rows, tuned)) or 46.0)
    shown = CliRunner().invoke(small_costs.main, ["--rows", "150", "--repeats", "2"])
    assert asked == [(150, False), (150, True)] * 2
    assert shown.exit_code == 1
    assert "yes  150 rows, tuned: 46 user CPU s (at most 100)" in shown.output
    assert "NO   150 rows, tuning=null: 46 user CPU s (at most 45)" in shown.output


def test_what_processes_of_processes_take_counts_but_not_the_draft(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    its = "import os, sys; sum(range(10**6)); open(sys.argv[1], 'w').write(str(os.times().user))"
    in_turn = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {its!r}, sys.argv[1]])"
    spent = tmp_path / "spent"
    asked = []

    def run(words: list[str], folder: Path) -> None:
        asked.append(words[3:])
        if words[3] == "run":
            subprocess.run([sys.executable, "-c", in_turn, str(spent)], check=True)

    monkeypatch.setattr(small_costs, "run", run)
    assert user_s(40, tuned=False, processes=1) > float(spent.read_text()) > 0.0
    drafted, done = asked
    assert drafted == ["init", "made.csv", "--targets", small_costs.TARGETS]
    assert done == ["run", "made", "--set", "tuning=null", "--set", "processes=1"]
