"""What the page says is run as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import REPOSITORY, Headway

PAGE = REPOSITORY / "docs" / "your_own_parts.md"


@pytest.fixture
def example(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the page's example in a project."""
    blocks = re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert [name for name, _ in blocks] == ["mine.py", "experiments/waves.yaml", "test_mine.py"]
    for name, text in blocks:
        (project / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return project


def test_the_experiment_of_the_page_runs(example: Path, headway: Headway) -> None:
    ran = headway("run", "waves", "--json")
    sys.modules.pop("mine", None)
    assert ran.code == 0, ran.err
    scores = pd.read_csv(next((example / ".headway" / "outputs").glob("*/scores.csv")))
    covered = scores[scores["metric"] == "covered"]
    assert {*covered["task"]} == {"height"}
    assert {"default", "single-task", "tuned"} <= {*covered["candidate"]}
    assert covered["mean"].between(0.55, 1.0).all()  # what is trained for 0.9 lies above most


def test_the_parts_of_the_page_pass_the_tests_of_the_page(example: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"],
        cwd=example, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert "20 passed" in ran.stdout
