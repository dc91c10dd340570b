"""Runs are started, found, resumed and ended when their process is gone."""

import math
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from pipeline.errors import Failure, StudyStopped, UserError
from pipeline.tracking import process, tags
from pipeline.tracking.tracker import Tracker


@pytest.fixture
def tracker(project: Path) -> Tracker:
    return Tracker(project, "trying")


def test_a_finished_run_is_found_by_its_key_and_the_newest_wins(tracker: Tracker) -> None:
    for _ in range(2):
        run = tracker.start("step", {tags.KEY: "k"})
        run.end("FINISHED")
    found = tracker.finished("k")
    assert found is not None
    assert found.info.run_id == run.id
    assert tracker.finished("other") is None


def test_a_deleted_run_answers_nothing(tracker: Tracker) -> None:
    run = tracker.start("step", {tags.KEY: "k"})
    run.end("FINISHED")
    tracker.client.delete_run(run.id)
    assert tracker.finished("k") is None
    assert tracker.get(run.id) is None


def test_a_running_run_answers_nothing(tracker: Tracker) -> None:
    tracker.start("step", {tags.KEY: "k"})
    assert tracker.finished("k") is None
    assert tracker.interrupted("k") is None


def test_runs_whose_process_is_gone_are_ended(tracker: Tracker, project: Path) -> None:
    program = (
        "from pathlib import Path\nfrom pipeline.tracking.tracker import Tracker\n"
        "print(Tracker(Path.cwd(), 'trying').start('left', {'headway.key': 'k'}).id)"
    )
    left = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=project)
    mine = tracker.start("mine", {})
    assert tracker.end_orphaned_runs() == 1
    run = tracker.get(left.stdout.strip())
    assert run is not None
    assert run.info.status == "KILLED"
    assert "killed" in run.data.tags[tags.OUTCOME]
    assert run.data.tags[MLFLOW_RUN_NOTE] == "**Killed:** its process ended without a word"
    assert tracker.get(mine.id).info.status == "RUNNING"  # type: ignore[union-attr]
    found = tracker.interrupted("k")
    assert found is not None
    assert found.info.run_id == run.info.run_id


def test_runs_of_another_machine_are_ended_when_their_process_is_known_to_be_gone(tracker: Tracker) -> None:
    gone, alive = "other@boot:12:345", "other@boot:13:345"
    runs = [tracker.start("step", {tags.KEY: "k"}) for _ in range(2)]
    for run, owner in zip(runs, (gone, alive), strict=True):
        run.tags({tags.PROCESS: owner})
    assert tracker.end_orphaned_runs() == 0
    assert tracker.end_orphaned_runs(gone) == 1
    assert [tracker.client.get_run(run.id).info.status for run in runs] == ["KILLED", "RUNNING"]
    found = tracker.running("k")
    assert found is not None
    assert process.described(found.data.tags[tags.PROCESS]) == "process 13 on other"
    assert tracker.running("other") is None


def test_a_run_that_another_process_goes_on_with_is_not_ended(tracker: Tracker) -> None:
    run = tracker.start("step", {})
    run.tags({tags.PROCESS: "other@boot:12:345"})
    with pytest.raises(Failure), run.outcome_recorded():
        raise Failure("the study was taken over")
    assert tracker.client.get_run(run.id).info.status == "RUNNING"


def test_a_run_that_failed_describes_why_until_it_is_taken_up_again(tracker: Tracker) -> None:
    run = tracker.start("step", {})
    with pytest.raises(Failure), run.outcome_recorded():
        raise Failure("labels.csv: row 3 has <no> label")
    assert tracker.client.get_run(run.id).data.tags[MLFLOW_RUN_NOTE] == (
        "**Failed:** labels.csv: row 3 has &lt;no&gt; label"
    )
    with tracker.resume(run.id).outcome_recorded():
        pass
    assert not tracker.client.get_run(run.id).data.tags[MLFLOW_RUN_NOTE]


def test_a_study_that_was_stopped_is_killed(tracker: Tracker) -> None:
    run = tracker.start("step", {})
    with pytest.raises(StudyStopped), run.outcome_recorded():
        raise StudyStopped("somebody")
    ended = tracker.client.get_run(run.id)
    assert ended.info.status == "KILLED"
    assert "stopped by somebody" in ended.data.tags[tags.OUTCOME]


def test_a_run_taken_up_again_logs_no_step_twice(tracker: Tracker) -> None:
    run = tracker.start("step", {tags.KEY: "k"})
    run.metrics({"validation/a/accuracy": 0.5}, step=1)
    run.end("KILLED")
    again = tracker.resume(run.id)
    again.metrics({"validation/a/accuracy": 0.5}, step=1)
    again.metrics({"validation/a/accuracy": 0.6}, step=2)
    assert tracker.metric_history(run.id, "validation/a/accuracy") == [(1, 0.5), (2, 0.6)]
    assert tracker.get(run.id).info.status == "RUNNING"  # type: ignore[union-attr]


def test_parameters_that_a_launcher_logged_are_left(tracker: Tracker) -> None:
    run = tracker.start("step", {})
    tracker.client.log_param(run.id, "training.epochs", "3")
    run.params({"training.epochs": 4, "seed": 0, **{f"many.{index}": index for index in range(250)}})
    params = tracker.get(run.id).data.params  # type: ignore[union-attr]
    assert params["training.epochs"] == "3"
    assert params["seed"] == "0"
    assert len(params) == 252


def test_metrics_that_are_not_finite_are_left_out(tracker: Tracker) -> None:
    run = tracker.start("step", {})
    run.metrics({"a/b/c": math.nan, "d/e/f": math.inf, "g/h/i": 1.0})
    assert tracker.get(run.id).data.metrics == {"g/h/i": 1.0}  # type: ignore[union-attr]


def test_a_new_runs_parameters_and_curves_are_logged_in_as_few_calls_as_the_store_takes(tracker: Tracker) -> None:
    calls: list[int] = []
    run = tracker.start("trial", {})
    log = run.client.log_batch
    run.client.log_batch = lambda *args, **values: (calls.append(1), log(*args, **values))  # type: ignore[method-assign, assignment]
    run.fill({"training.epochs": 3}, [{"a/b/c": 0.1, "d/e/f": math.nan}, {"a/b/c": 0.2, "d/e/f": 0.3}])
    assert len(calls) == 1
    assert tracker.get(run.id).data.params == {"training.epochs": "3"}  # type: ignore[union-attr]
    assert tracker.metric_history(run.id, "a/b/c") == [(1, 0.1), (2, 0.2)]
    assert tracker.metric_history(run.id, "d/e/f") == [(2, 0.3)]
    many = tracker.start("trial", {})
    many.fill({f"p.{number}": number for number in range(150)}, [{"a/b/c": step / 7} for step in range(1000)])
    stored = tracker.get(many.id)
    assert len(calls) == 3
    assert len(stored.data.params) == 150  # type: ignore[union-attr]
    assert len(tracker.metric_history(many.id, "a/b/c")) == 1000
    tracker.start("failed", {}).fill({}, [])
    assert len(calls) == 3


def test_curves_go_on_from_a_step_and_a_run_taken_up_again_gets_what_it_lacks(tracker: Tracker) -> None:
    run = tracker.start("step", {tags.KEY: "k"})
    run.curves([{"a/b/c": 0.1}, {"a/b/c": 0.2}])
    run.curves([{"a/b/c": 0.3}], first=3)
    run.end("KILLED")
    tracker.resume(run.id).curves([{"a/b/c": step / 10} for step in range(1, 6)])
    assert tracker.metric_history(run.id, "a/b/c") == [(step, step / 10) for step in range(1, 6)]


def test_the_projects_own_database_is_logged_ahead_and_another_one_is_left_alone(
    tracker: Tracker, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    Tracker(project, "trying")
    for file, expected in ((project / "mlflow.db", "wal"), (tmp_path / "other.db", "delete")):
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == (expected,)


def test_datasets_can_be_searched_by_digest(tracker: Tracker) -> None:
    run = tracker.start("step", {})
    run.dataset("prepared.train", "0123456789abcdef0123456789abcdef", "/somewhere", "train")
    found = list(tracker.runs("dataset.digest = '0123456789abcdef0123456789abcdef'"))
    assert [one.info.run_id for one in found] == [run.id]
    assert found[0].inputs.dataset_inputs[0].tags[0].value == "train"


def test_the_launchers_run_is_the_parent_and_leaves_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    launcher = Tracker(project, "launched").start("top", {})
    monkeypatch.setenv("MLFLOW_RUN_ID", launcher.id)
    tracker = Tracker(project, "ignored")
    assert "MLFLOW_RUN_ID" not in os.environ
    assert tracker.parent("x", {}).id == launcher.id
    assert tracker.client.get_experiment_by_name("ignored") is None


@pytest.mark.parametrize("state", ["unknown", "deleted", "finished", "nonsense"])
def test_a_launchers_run_that_cannot_be_continued_is_one_line(
    state: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Tracker(project, "launched")
    run = own.start("top", {})
    run_id, problem = {
        "unknown": ("deadbeef", "Run with id=deadbeef not found"),
        "deleted": (run.id, "it was deleted"),
        "finished": (run.id, "it has ended, FINISHED"),
        "nonsense": ("a b", "Invalid value"),
    }[state]
    if state == "deleted":
        own.client.delete_run(run.id)
    if state == "finished":
        run.end("FINISHED")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with pytest.raises(UserError, match=f"MLFLOW_RUN_ID={run_id} is no run of sqlite:.*{problem}.*: unset it"):
        Tracker(project, "launched")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    assert Tracker(project, None).get("x") is None  # who only reads needs no launcher


def test_runs_of_all_experiments_are_found_by_their_key(project: Path) -> None:
    other = Tracker(project, "launched")
    ended, killed = other.start("step", {tags.KEY: "k", tags.OUTPUTS: "o"}), other.start("step", {tags.KEY: "i"})
    ended.end("FINISHED")
    killed.end("KILLED")
    tracker = Tracker(project, "trying")
    assert tracker.finished("k").info.run_id == ended.id  # type: ignore[union-attr]
    assert tracker.interrupted("i").info.run_id == killed.id  # type: ignore[union-attr]
    assert tracker.interrupted("i", here=True) is None
    newer = tracker.start("step", {tags.KEY: "k", tags.OUTPUTS: "p"})
    newer.end("FINISHED")
    found = {it: tracker.finished("k", it).info.run_id for it in ("o", "p", "q", None)}  # type: ignore[union-attr]
    assert found == {"o": ended.id, "p": newer.id, "q": newer.id, None: newer.id}
    child = tracker.start("trial", {}, tracker.resume(killed.id).id)
    assert tracker.get(child.id).info.experiment_id == other.experiment_id  # type: ignore[union-attr]


def test_a_deleted_experiment_is_restored_with_its_runs_and_said(
    tracker: Tracker, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tracker.start("step", {tags.KEY: "k"})
    run.end("FINISHED")
    tracker.client.delete_experiment(tracker.experiment_id)
    assert tracker.finished("k") is None
    assert Tracker(project, "trying").finished("k").info.run_id == run.id  # type: ignore[union-attr]
    assert (
        capsys.readouterr().err == "headway: the experiment trying had been deleted: it was restored, with its runs\n"
    )


def test_two_trackers_on_a_fresh_database_make_its_schema_once(project: Path) -> None:
    (project / "mlflow.db").unlink()
    program = "from pathlib import Path\nfrom pipeline.tracking.tracker import Tracker\nTracker(Path.cwd(), 'e')"
    both = [subprocess.Popen([sys.executable, "-c", program], cwd=project) for _ in range(2)]
    assert [one.wait(timeout=120) for one in both] == [0, 0]
