"""The whole job of a network that is given a preference, and what can be asked of it afterwards."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import tables
from pipeline.analysis.hypervolume import estimated
from pipeline.data.tables import pixel_columns
from pipeline.tracking.tracker import Tracker
from tests.conftest import Result, call_headway, make_project

COSMOS = ("--set", "balancing.method=cosmos", "--set", "balancing.preference={digit: 3, parity: 1}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Result]]:
    """A project in which the job ran once."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("preference") / "project", patch)
        yield project, call_headway("run", "debug", *COSMOS, "--json")


def outputs(project: Path, name: str) -> Path:
    return next((project / ".headway" / "outputs").glob(f"*/{name}"))


def test_the_front_is_an_output_and_in_the_report(finished: tuple[Path, Result]) -> None:
    project, result = finished
    assert (result.code, result.err) == (0, "")
    front = pd.read_csv(outputs(project, "front.csv"))
    assert set(front["candidate"]) == {"default", "tuned"}
    assert front.groupby(["candidate", "seed", "task"])["point"].nunique().eq(11).all()
    assert np.allclose(front.groupby(["candidate", "seed", "point"])["share"].sum(), 1.0)
    page = outputs(project, "report.html").read_text(encoding="utf-8")
    assert "What a preference chooses from" in page
    assert "Hypervolume of the losses up to (2.0, 2.0)" in page


def test_the_runs_tell_the_preference_and_the_hypervolume(finished: tuple[Path, Result]) -> None:
    runs = {run.info.run_name: run for run in Tracker(finished[0], "debug").runs()}
    params = runs["train tuned"].data.params
    assert (params["balancing.preference.digit"], params["balancing.preference.parity"]) == ("0.75", "0.25")
    assert "balancing.preference.digit" not in runs["train single digit"].data.params
    area = estimated(tables.read(outputs(finished[0], "front.csv")), "tuned")
    assert area is not None
    assert runs["evaluate tuned"].data.metrics["validation/all/hypervolume"] == area.mean
    assert "validation/all/hypervolume" not in runs["evaluate single digit"].data.metrics


def test_the_model_answers_by_any_preference(finished: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch) -> None:
    project = finished[0]
    monkeypatch.chdir(project)
    rows = np.random.default_rng(0).integers(0, 17, (20, 64)).astype(float)
    pd.DataFrame(rows, columns=pixel_columns(64)).to_csv(project / "rows.csv", index=False)
    answers = {}
    asked = {"own": (), "same": ("--preference", "0.75,0.25"), "other": ("--preference", "parity=1,digit=0")}
    for name, more in asked.items():
        out = project / f"{name}.csv"
        told = call_headway(
            "predict", "--model", "models:/debug@champion", "--input", "rows.csv", "--output", str(out), *more
        )
        assert told.code == 0, told.err
        answers[name] = pd.read_csv(out).filter(like="probability")
    pd.testing.assert_frame_equal(answers["own"], answers["same"])
    assert not np.allclose(answers["own"], answers["other"])
