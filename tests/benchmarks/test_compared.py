"""A comparison as Markdown with a figure, and fewer rows of MNIST."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import compared
from benchmarks.first_rows import first_rows
from pipeline.reports.figures.tradeoff import validated
from pipeline.studies.compare.page import answer, summary
from tests.studies.compare.test_page import comparison


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """What a comparison of made-up scores leaves."""
    found = comparison()
    (tmp_path / "comparison.json").write_text(json.dumps(summary(found)))
    (tmp_path / "answer.txt").write_text(answer(found))
    points = validated(found.frontier, found.evaluation.gaps, found.metrics)
    points.to_csv(tmp_path / "frontier.csv", index=False)
    return tmp_path


def test_the_page_holds_the_answer_every_arm_and_the_figure(written: Path) -> None:
    to = written / "docs" / "made.md"
    result = CliRunner().invoke(compared.main, [str(written), str(to), "--said", "On made-up data.", "--command", "x"])
    assert result.exit_code == 0, result.output
    page = to.read_text()
    found = comparison()
    first = answer(found).splitlines()[0]
    assert f"**{first}**" in page
    assert "On made-up data." in page
    assert "![delta-m and the frontier](made.svg)" in page
    rows = [line for line in page.splitlines() if line.startswith("| upgrad |")]
    assert len(rows) == 4  # on test, against the references, what its two replicates chose
    against = found.contrasts.set_index(["candidate", "against", "task"]).loc[("upgrad", "equal", "all")]
    assert f"**{against['mean']:+.2f}**" in rows[1]
    svg = to.with_suffix(".svg").read_text()
    assert svg.startswith("<?xml")
    assert len(svg) < 200_000


def test_the_same_comparison_makes_the_same_files(written: Path) -> None:
    made = []
    for name in ("one", "two"):
        to = written / name / "made.md"
        assert CliRunner().invoke(compared.main, [str(written), str(to)]).exit_code == 0
        made.append([path.read_bytes() for path in sorted(to.parent.iterdir())])
    assert made[0] == made[1]


def test_the_first_rows_are_idx_files_of_their_own(tmp_path: Path) -> None:
    raw = tmp_path / "from" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.arange(5 * 784, dtype=np.uint32).astype(np.uint8).reshape(5, 28, 28)
    files = {
        "train-images-idx3-ubyte.gz": struct.pack(">4B3I", 0, 0, 8, 3, 5, 28, 28) + images.tobytes(),
        "train-labels-idx1-ubyte.gz": struct.pack(">4BI", 0, 0, 8, 1, 5) + bytes(range(5)),
        "t10k-labels-idx1-ubyte.gz": struct.pack(">4BI", 0, 0, 8, 1, 2) + bytes(2),
    }
    for name, content in files.items():
        (raw / name).write_bytes(gzip.compress(content))
    first_rows(tmp_path / "from", tmp_path / "to", 3)
    made = {path.name: gzip.decompress(path.read_bytes()) for path in (tmp_path / "to" / "MNIST" / "raw").iterdir()}
    assert made["train-images-idx3-ubyte.gz"][4:16] == struct.pack(">3I", 3, 28, 28)
    assert made["train-images-idx3-ubyte.gz"][16:] == images[:3].tobytes()
    assert made["train-labels-idx1-ubyte.gz"] == struct.pack(">4BI", 0, 0, 8, 1, 3) + bytes(range(3))
    assert made["t10k-labels-idx1-ubyte.gz"] == files["t10k-labels-idx1-ubyte.gz"]


def test_frontier_has_a_row_for_every_trial_and_arm() -> None:
    found = comparison()
    rows = validated(found.frontier, found.evaluation.gaps, found.metrics)
    assert len(rows) == len(pd.DataFrame(found.frontier)) + len(found.shared) + 1
    assert list(rows.columns) == ["name", "candidate", "a", "b"]
