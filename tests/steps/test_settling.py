"""As many networks as the data have replicates: what is set for it, what is refused, and what is known before."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Experiment, load, public, read_stored, with_values
from pipeline.errors import UserError
from pipeline.steps import settling
from pipeline.steps.budget import as_planned
from pipeline.steps.console import Console
from pipeline.steps.context import Context
from pipeline.steps.graph import Job
from pipeline.steps.prepare import Prepare
from pipeline.steps.settling import settle_if_prepared, settled
from pipeline.steps.step import key_of, known_when, ordered
from tests.steps.made import Made

TWICE = {"folds": 5, "repeats": 2, "replicates": 10}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an experiment that leaves most to the defaults."""
    (tmp_path / "experiments").mkdir()
    return tmp_path


def loaded(project: Path, **values: Any) -> Experiment:
    """An experiment of two tasks, all of whose rows test."""
    tasks = {name: {"kind": "binary", "source": "sold"} for name in ("a", "b")}
    sources = {"sold": {"kind": "table", "path": "sold.csv", "inputs": {"x": "numeric"}}}
    tree = {"data": {"test": "auto"}, "tasks": tasks, "sources": sources}
    (project / "experiments" / "sold.yaml").write_text(json.dumps(tree))
    return load("sold", values, project)


def looking(monkeypatch: pytest.MonkeyPatch, project: Path, experiment: Experiment, outer: Any) -> Context:
    """A context whose data are prepared with these outer folds, or none, or not at all where it is False."""

    def look_up(context: Context, *steps: Prepare) -> None:
        for step in steps:
            step.result = Made("prepared", project).result if outer is not False else None

    (project / "manifest.json").write_text(json.dumps({"outer": outer} if outer else {}))
    monkeypatch.setattr(settling, "look_up", look_up)
    monkeypatch.setattr("pipeline.steps.budget.look_up", look_up)
    context = Context(project, experiment, None, Console(quiet=True))  # type: ignore[arg-type]
    settle_if_prepared(context)
    return context


def test_every_arm_and_the_experiment_as_written_get_a_network_for_each_replicate(project: Path) -> None:
    found = settled(loaded(project), 10, "so many")
    assert (found.training.seeds, found.replicates, found.trials) == (10, 10, 60)
    plain = settled(loaded(project, tuning=None), 7, "so many")
    assert (plain.training.seeds, plain.replicates, plain.tuning) == (7, 7, None)


def test_an_experiment_that_is_settled_stays_so_when_it_is_stored_and_settled_again(project: Path) -> None:
    found = settled(loaded(project), 10, "so many")
    assert settled(read_stored(public(found)), 10, "so many") == found


def test_the_key_of_prepare_is_the_same_before_and_after(project: Path) -> None:
    (project / "sold.csv").write_text("x,a,b\n1,no,yes\n")
    experiment = loaded(project)
    keys = {Prepare(it, project).key().digest for it in (experiment, settled(experiment, 10, "so many"))}
    assert len(keys) == 1


@pytest.mark.parametrize("key", ["training.seeds", "tuning.replicates", "compare.seeds"])
@pytest.mark.parametrize("written", [5, 12])
def test_another_number_that_is_written_is_one_line_with_both_numbers(project: Path, key: str, written: int) -> None:
    experiment = loaded(project, **{key: written})
    with pytest.raises(UserError) as refused:
        settled(experiment, 10, "the data have 10 replicates")
    said = str(refused.value)
    assert said.startswith(f"{key}={written}, but the data have 10 replicates")
    assert f"leave {key} out" in said
    assert "\n" not in said
    assert settled(loaded(project, **{key: 10}), 10, "").replicates == 10


def test_trials_that_cannot_be_dealt_to_the_replicates_are_one_line(project: Path) -> None:
    assert settled(loaded(project, **{"tuning.trials": 14}), 7, "").trials == 14  # though not to five seeds
    with pytest.raises(UserError, match=r"tuning.trials=15 cannot be dealt out to 10 replicates evenly.* such as 20"):
        settled(loaded(project, **{"tuning.trials": 15}), 10, "")


def test_data_with_one_split_leave_the_experiment_as_it_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = loaded(project)
    context = looking(monkeypatch, project, experiment, None)
    assert (context.experiment, context.every_row_tests) == (experiment, False)


def test_trials_are_dealt_evenly_there_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = loaded(project, **{"tuning.trials": 14})  # which is not refused before the data are known
    with pytest.raises(UserError, match=r"tuning\.trials=14 cannot be dealt out to 5 replicates evenly"):
        looking(monkeypatch, project, experiment, None)


def test_before_the_data_are_prepared_no_network_has_a_key_and_it_is_said_why(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "sold.csv").write_text("x,a,b\n1,no,yes\n")
    context = looking(monkeypatch, project, loaded(project), False)
    steps = ordered(Job.of(context).report)
    assert [it.title for it in steps if key_of(it)] == ["prepare"]
    assert {known_when(it) for it in steps[1:]} == {"the data are prepared: they tell how many replicates there are"}
    assert as_planned(context) is context.experiment


def test_once_they_are_the_studies_and_the_experiment_as_written_have_keys(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = looking(monkeypatch, project, loaded(project), TWICE)
    assert (context.every_row_tests, context.experiment.replicates) == (True, 10)
    job = Job.of(context)
    for it in ordered(job.report):
        if it.title == "prepare":
            it.result = Made("prepared", project).result
    job.prepare.reads = dict  # type: ignore[method-assign]  # its data need not be there
    known = [it.title for it in ordered(job.report) if key_of(it)]
    assert known == ["prepare", "train default", "tune", "tune single a", "tune single b"]


def test_a_share_needs_no_data_to_settle(project: Path) -> None:
    experiment = with_values(loaded(project), {"data.test": 0.2})
    assert not experiment.awaits_data
    with pytest.raises(UserError, match=r"sold\.yaml: tuning\.trials=14 cannot be dealt out to 5 replicates"):
        loaded(project, **{"tuning.trials": 14, "data.test": 0.2})
