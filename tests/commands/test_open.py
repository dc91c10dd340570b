"""`headway open` finds the report of an experiment and of any run that belongs to it."""

import json
from pathlib import Path

import pytest

from pipeline.steps.published import folder_of
from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import Headway


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that the browser was given."""
    found = list[str]()
    monkeypatch.setattr("webbrowser.open", lambda address: found.append(address) or True)
    return found


def published(project: Path, experiment: str, name: str) -> Path:
    folder = folder_of(project, experiment)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{name}.html"
    page.write_text(name, encoding="utf-8")
    return page


def test_the_newest_report_of_an_experiment_is_opened_and_its_path_printed(
    project: Path, headway: Headway, opened: list[str]
) -> None:
    page = published(project, "digits", "explain")
    for words in (["digits"], [str(project / "experiments" / "digits.yaml")], []):
        told = headway("open", *words)
        assert (told.code, told.out, told.err) == (0, f"{page}\n", "")
    assert opened == [page.as_uri()] * 3


def test_printing_opens_nothing(project: Path, headway: Headway, opened: list[str]) -> None:
    page = published(project, "of a file that is gone", "report")
    assert headway("open", "of a file that is gone", "--print").out == f"{page}\n"
    assert json.loads(headway("open", "--json").out) == {"report": str(page)}
    assert opened == []


@pytest.mark.parametrize("here", [True, False], ids=["from the outputs", "from the artifacts"])
def test_a_run_leads_to_the_report_of_the_pipelines_run(
    project: Path, headway: Headway, opened: list[str], here: bool
) -> None:
    tracker = Tracker(project, "digits")
    parent = tracker.start("digits", {tags.STEP: "run", tags.EXPERIMENT: "digits", tags.KEY: "parent-0"})
    train = tracker.start("train", {tags.STEP: "train"}, parent.id)
    trial = tracker.start("trial 0", {tags.ROLE: "trial"}, train.id)
    step = tracker.start("report", {tags.STEP: "report", tags.KEY: "abc", tags.EXPERIMENT: "digits"})
    parent.tags({f"{tags.ANSWERED_BY}.report": step.id})  # which another run of the pipeline had made
    folder = project / ".headway" / "outputs" / "abc"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("the report", encoding="utf-8")
    if not here:
        step.artifacts(folder)
        (folder / "report.html").unlink()
    step.end("FINISHED")
    for words in (parent.id, step.id[:12], train.id, trial.id, "digits"):
        told = headway("open", words, "--print")
        assert (told.code, told.err) == (0, ""), words
        assert Path(told.out.strip()).read_text(encoding="utf-8") == "the report"


def test_a_report_that_was_not_made_is_one_line_with_the_command_that_makes_it(
    project: Path, headway: Headway, opened: list[str]
) -> None:
    tracker = Tracker(project, "digits")
    run = tracker.start("digits train", {tags.STEP: "train", tags.EXPERIMENT: "digits", tags.KEY: "parent-1"})
    run.tags({tags.KEY: "parent-1"})
    step = tracker.start("report", {tags.STEP: "compare", tags.EXPERIMENT: "digits", tags.KEY: "gone"})
    for words, code, said in (
        ([], 1, "there is no report yet: headway run EXPERIMENT makes one"),
        (["digits"], 1, "digits has no report yet: headway run digits makes one"),
        ([run.id], 1, f"run {run.id[:8]} (digits train) has no report: headway run digits makes one"),
        ([step.id], 1, f"the report of run {step.id[:8]} is gone: headway compare digits makes it again"),
        (["digitz"], 2, "unknown experiment 'digitz'"),
        (["abcdef"], 2, "run 'abcdef': no such run"),
    ):
        told = headway("open", *words)
        assert (told.code, told.out, told.err.count("\n")) == (code, "", 1), words
        assert said in told.err
    assert opened == []
