"""The Python of docs/how_to/notebook.md, run as it stands there."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks_of, environment


@pytest.mark.slow
def test_the_blocks_run_one_after_the_other(project: Path) -> None:
    pytest.importorskip("headway")
    program = "\n".join(blocks_of(DOCS / "how_to" / "notebook.md", "python"))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project, env=environment(), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "as written, untuned" in done.stdout
    assert "cultivar/class" in done.stdout
    assert (project / "experiments" / "wines.yaml").exists()
