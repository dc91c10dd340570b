"""The commands and programs of docs/export.md, run as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs" / "export.md"
MADE = """
from sklearn.datasets import load_iris
it = load_iris(as_frame=True)
it.data.assign(species=it.target_names[it.target]).to_csv('iris.csv', index=False)
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)


@pytest.mark.slow
def test_a_model_of_iris_is_exported_and_run(project: Path) -> None:
    pytest.importorskip("onnxruntime")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    (commands,) = blocks("sh")
    by_onnx, by_torch, _ = blocks("python")
    few = "--set tuning=null --set training.seeds=1 --set training.epochs=3 --set data.test=0.2"
    script = f'python -c "{MADE}"\nheadway init iris.csv --targets species\nheadway run iris {few}\n{commands}'
    done = subprocess.run(
        ["bash", "-ec", script], cwd=project, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    shutil.copy(project / "iris.csv", project / "new.csv")
    program = (
        f"{by_onnx}\nnp = answers\n{by_torch}\nassert (answers['species/label'].numpy() == np['species/label']).all()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "'setosa'" in done.stdout or "'virginica'" in done.stdout or "'versicolor'" in done.stdout
