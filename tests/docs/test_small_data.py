"""The commands of docs/small_data.md, run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs" / "small_data.md"


@pytest.mark.slow
def test_a_table_of_150_rows_is_drafted_run_and_predicted_out_of_fold(project: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        ["bash", "-ec", block], cwd=project, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("every row tests: 5 folds, twice (10 replicates)") == 1
    assert "test: {folds: 5, repeats: 2}" in (project / "experiments" / "flowers.yaml").read_text()
    iris, folds = (pd.read_csv(project / name) for name in ("iris.csv", "folds.csv"))
    assert len(folds) == len(iris)
    assert (folds["species/class"] == iris["species"]).mean() > 0.9
