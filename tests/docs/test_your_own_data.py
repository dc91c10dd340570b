"""The commands of docs/your_own_data.md, from scikit-learn's iris to a served model, run as they stand there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs" / "your_own_data.md"


def commands() -> str:
    """The block that makes iris.csv."""
    (block,) = [it for it in re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL) if "load_iris" in it]
    return str(block)


@pytest.mark.slow
def test_iris_is_drafted_run_predicted_and_served(project: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    script = "set -em\n" + commands()
    done = subprocess.run(
        ["bash", "-c", script], cwd=project, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    scored, iris = pd.read_csv(project / "scored.csv"), pd.read_csv(project / "iris.csv")
    assert iris.columns[0] == "sepal length (cm)"
    assert (scored["species/class"] == iris["species"]).mean() > 0.9
    first, two = (json.loads(it)["predictions"] for it in re.findall(r"\{\"predictions.*?\]\}", done.stdout))
    assert [len(first), len(two)] == [1, 2]
    assert {it["species/label"] for it in first + two} == {0}  # setosa, the first three rows of iris
    assert first[0]["species/probability/setosa"] == pytest.approx(scored["species/probability/setosa"][0], rel=1e-5)
