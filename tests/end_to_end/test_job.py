"""The whole job on the debug preset, through the command line: what it leaves in MLflow, once and twice."""

import json
import platform
import re
import shutil
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from markupsafe import escape
from optuna import get_all_study_summaries

from pipeline.machine import processor
from pipeline.steps.runs.questions import QUESTIONS
from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import Result, call_headway, make_project


@pytest.fixture(scope="module")
def monkeymodule():  # type: ignore[no-untyped-def]
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, monkeymodule: pytest.MonkeyPatch) -> tuple[Path, Result]:
    """A project in which the job ran once. Tests here run in order and add to it."""
    project = make_project(tmp_path_factory.mktemp("job") / "project", monkeymodule)
    return project, call_headway("run", "debug", "--json")


def runs(project: Path) -> list[Any]:
    return list(Tracker(project, "debug").runs())


def named(project: Path) -> Counter[str]:
    return Counter(run.info.run_name for run in runs(project))


EXPECTED = {
    "debug": 1,
    "prepare": 1,
    "train default": 1,
    "train single digit": 1,
    "train single parity": 1,
    "train tuned": 1,
    "tune": 1,
    "tune single digit": 1,
    "tune single parity": 1,
    **{f"trial {number}": 3 for number in range(4)},  # of each study
    "select": 1,
    "evaluate": 1,
    "evaluate constant": 1,
    "evaluate default": 1,
    "evaluate single digit": 1,
    "evaluate single parity": 1,
    "evaluate tuned": 1,
    "report": 1,
}


DECIDING = {"test/digit/accuracy", "test/parity/accuracy", "test/all/delta_m_percent"}


def test_every_step_is_a_run_in_a_true_state(finished: tuple[Path, Result]) -> None:
    project, result = finished
    assert (result.code, result.err) == (0, "")
    assert named(project) == EXPECTED
    for run in runs(project):
        state = run.data.tags.get(tags.TRIAL_STATE, "COMPLETE")
        assert run.info.status == {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}[state], run.info.run_name


def test_steps_are_children_and_trials_grandchildren(finished: tuple[Path, Result]) -> None:
    project, result = finished
    parents = {run.info.run_id: run.data.tags.get("mlflow.parentRunId") for run in runs(project)}
    names = {run.info.run_id: run.info.run_name for run in runs(project)}
    top = result.json["run_id"]
    assert parents[top] is None
    for run_id, parent in parents.items():
        if run_id == top:
            continue
        kind = names[run_id].split()[0]
        expected = {"trial": "tune", "evaluate": "evaluate" if " " in names[run_id] else "debug"}.get(kind, "debug")
        assert names[parent].split()[0] == expected, names[run_id]


def test_default_tuned_and_trials_line_up_in_the_compare_view(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    table = Tracker(project, "debug")
    study = next(run for run in table.runs() if run.info.run_name == "tune").data.tags[tags.STUDY]
    wanted = [
        run for run in table.runs() if run.data.tags.get(tags.ROLE) in ("default", "tuned", "trial")
        and run.data.tags[tags.STEP] in ("train", "tune") and run.data.tags.get(tags.STUDY, study) == study
    ]  # fmt: skip
    assert len(wanted) == 6
    assert len({frozenset(run.data.params) for run in wanted}) == 1
    metrics = {
        frozenset(
            name for name in run.data.metrics
            if name.startswith(("train/", "validation/")) and not name.endswith(("_ci_low", "_ci_high"))
        )
        for run in wanted
    }  # fmt: skip
    assert len(metrics) == 1
    assert "validation/all/objective" in next(iter(metrics))


def test_test_metrics_stand_on_the_evaluate_children_alone(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    for run in runs(project):
        tested = [name for name in run.data.metrics if name.startswith("test/") and not name.endswith("/rows")]
        if run.info.run_name == "debug":  # which says whose they are
            assert {name.split("/")[1] for name in tested} == {"default", "tuned", "single-task"}
            continue
        is_child = run.info.run_name.startswith("evaluate ")
        assert bool(tested) == is_child, run.info.run_name
    tuned = next(run for run in runs(project) if run.info.run_name == "evaluate tuned")
    assert {"test/digit/accuracy", "test/parity/roc_auc", "test/all/delta_m_percent"} <= set(tuned.data.metrics)
    single = next(run for run in runs(project) if run.info.run_name == "evaluate single digit")
    assert single.data.tags[tags.TASK] == "digit"
    assert not any("parity" in name for name in single.data.metrics)


def test_the_test_split_was_opened_once_for_all(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    opened = [run for run in runs(project) if tags.TEST_OPENING in run.data.tags]
    assert [run.info.run_name for run in opened] == ["evaluate"]
    assert opened[0].data.tags[tags.TEST_OPENING] == "1"
    assert opened[0].data.tags[tags.TEST_CANDIDATES] == "default, tuned, single digit, single parity"


def test_the_pipelines_own_run_carries_the_answer(finished: tuple[Path, Result]) -> None:
    project, result = finished
    (top,) = (run for run in runs(project) if run.info.run_id == result.json["run_id"])
    tuned = next(run for run in runs(project) if run.info.run_name == "evaluate tuned")
    for key, value in tuned.data.metrics.items():
        own = top.data.metrics.get(key.replace("test/", "test/tuned/"))
        assert own == (value if key in DECIDING else None), key
    note = top.data.tags["mlflow.note.content"]
    assert note.startswith(f"**{result.json['answer'].split(':')[0]}")
    cells = next(line for line in note.splitlines() if line.startswith("| tuned"))
    assert f"{100 * tuned.data.metrics['test/digit/accuracy']:.2f} %" in cells
    assert f"{tuned.data.metrics['test/all/delta_m_percent']:+.2f} %" in cells
    found = {run.info.run_name: run.info.run_id for run in runs(project)}
    for name in ("prepare", "tune single digit", "evaluate"):
        assert f"[{name}](#/experiments/{top.info.experiment_id}/runs/{found[name]}?workflowType=" in note
    assert {it.dataset.name for it in top.inputs.dataset_inputs} >= {"prepared.train", "prepared.test"}
    assert top.data.tags["mlflow.source.name"] == "headway run debug"
    shown = Tracker(project, "debug").artifact(top.info.run_id, "report.html", project)
    assert shown is not None
    assert shown.read_bytes() == Path(result.json["report"]).read_bytes()


def test_the_view_of_pipelines_has_the_metrics_of_the_job_whatever_ran_last(finished: tuple[Path, Result]) -> None:
    project, result = finished
    tracker = Tracker(project, "debug")
    shown = json.loads(tracker.experiment().tags["mlflow.sharedViewState.headway"])["selectedColumns"]
    assert shown[:3] == [
        "tags.`headway.decision`", "metrics.`test/tuned/all/delta_m_percent`",
        "metrics.`test/default/all/delta_m_percent`",
    ]  # fmt: skip
    (top,) = (run for run in runs(project) if run.info.run_id == result.json["run_id"])
    assert {it.removeprefix("metrics.`").rstrip("`") for it in shown[1:]} <= set(top.data.metrics)


def test_a_study_fills_few_columns(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    trials = [run.data for run in runs(project) if run.data.tags.get(tags.ROLE) == "trial"]
    assert len({key for it in trials for key in (*it.metrics, *it.params)}) <= 40
    assert all(it.metrics["best/validation/all/objective"] for it in trials)


def test_the_models_page_has_its_figures_each_on_its_data_set(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    client = Tracker(project, "debug").client
    version = client.get_model_version_by_alias("debug", "champion")
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    told = {it.key: (it.value, it.dataset_name) for it in model.metrics}
    role = next(run for run in runs(project) if run.info.run_name == "select").data.tags[tags.SELECTED]
    children = [
        run
        for run in runs(project)
        if run.data.tags.get(tags.ROLE) == role and run.info.run_name.startswith("evaluate ")
    ]
    assert children
    for run in children:
        assert told["test/digit/accuracy" if "test/digit/accuracy" in run.data.metrics else "test/parity/accuracy"]
        for key, value in run.data.metrics.items():
            if not key.endswith(("_ci_low", "_ci_high")):
                assert told[key] == (value, "prepared.test")
                assert len(Tracker(project, "debug").metric_history(run.info.run_id, key)) == 1  # not logged twice
    assert told["best/validation/digit/accuracy"][1] == "prepared.validation"
    assert {"name": "debug", "version": str(version.version)} in json.loads(model.tags["mlflow.modelVersions"])
    assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in version.description
    assert "**digit**, multiclass" in client.get_registered_model("debug").description
    note = client.get_experiment_by_name("debug").tags["mlflow.note.content"]
    assert note.startswith("Debug preset: every step")


def test_the_usual_questions_are_answered(finished: tuple[Path, Result]) -> None:
    project, result = finished
    told = {name: call_headway("runs", "debug", "--question", name, "--json").json for name in QUESTIONS}
    assert [it["name"] for it in told["best"]["runs"]] == ["evaluate tuned"]
    assert result.json["run_id"] in [it["run_id"] for it in told["pipelines"]["runs"]]
    assert told["decisions"]["runs"][0]["headway.decision"] == result.json["decision"]
    study = next(run for run in runs(project) if run.info.run_name == "tune").data.tags[tags.STUDY]
    assert f"'{study}'" in told["trials"]["filter"]  # the shared network's, though those of single tasks are newer
    values = [it["value"] for it in told["trials"]["runs"]]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    client = Tracker(project, "debug").client
    for it in told.values():  # the filter alone, as MLflow's search box takes it, finds the same
        order = [f"{it['order_by']} DESC"] if it["order_by"] else []
        asked = client.search_runs([client.get_experiment_by_name("debug").experiment_id], it["filter"], order_by=order)
        assert {run.info.run_id for run in asked} == {run["run_id"] for run in it["runs"]}
    assert told["trials"]["pages"][0].startswith("http://127.0.0.1:5000/#/experiments/")
    printed = call_headway("runs", "debug")
    assert f"filter: {told['pipelines']['filter']}" in printed.out.splitlines()


@pytest.mark.parametrize("words", [("nothing_like_it",), ("debug", "--question", "nothing")])
def test_a_question_that_has_no_answer_is_one_line(finished: tuple[Path, Result], words: tuple[str, ...]) -> None:
    told = call_headway("runs", *words)
    assert (told.code, len(told.err.splitlines())) == (2, 1)


def test_the_report_is_one_page_that_answers_first_where_people_find_it(finished: tuple[Path, Result]) -> None:
    project, result = finished
    assert Path(result.json["report"]) == project / "reports" / "debug" / "report.html"
    page = Path(result.json["report"]).read_text()
    assert escape(result.json["answer"]) in page
    assert "sharing" in result.json["answer"].lower()


def test_the_report_says_how_to_make_its_results_again(finished: tuple[Path, Result]) -> None:
    _, result = finished
    page = Path(result.json["report"]).read_text()
    again = page[page.index('id="reproduce"') :]
    assert f"headway rerun {result.json['run_id']}\n" in again
    assert re.search(r"^headway run debug", again, re.MULTILINE)
    for fact in (platform.python_version(), processor(), f"torch {version('torch')}", "root seed", "commit"):
        assert str(escape(fact)) in again


def test_each_study_says_whose_it_is_and_where_its_run_is(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    tunes = {run.info.run_name: run.info.run_id for run in runs(project) if run.info.run_name.startswith("tune")}
    told = {it.user_attrs["arm"]: it.user_attrs for it in get_all_study_summaries(f"sqlite:///{project}/optuna.db")}
    assert {arm: it["mlflow_run"] for arm, it in told.items()} == {
        "the shared network": tunes["tune"], "single digit": tunes["tune single digit"],
        "single parity": tunes["tune single parity"],
    }  # fmt: skip
    for it in told.values():
        assert it["experiment"] == "debug"
        assert f"/runs/{it['mlflow_run']}" in it["mlflow_page"]
    assert ["weights" in it for it in told.values()] == [arm == "the shared network" for arm in told]


def test_the_decision_is_in_the_results_and_a_tag_of_the_pipelines_run(finished: tuple[Path, Result]) -> None:
    project, result = finished
    word = result.json["decision"]
    assert word in ("no_claim", "no_difference", "mixed", "helps", "hurts", "unknown")
    top, report = (
        next(run for run in runs(project) if run.info.run_name == name).data.tags for name in ("debug", "report")
    )
    assert top[tags.DECISION] == report[tags.DECISION] == word
    assert (tags.UNFINISHED in top) == (tags.UNFINISHED in report)


def test_data_sets_are_noted_with_their_digests(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    for run in runs(project):
        names = {it.dataset.name for it in run.inputs.dataset_inputs}
        if run.data.tags.get(tags.STEP) == "train":
            assert names == {"prepared.train", "prepared.validation"}
        if run.info.run_name == "evaluate":
            assert names == {"prepared.test"}


def test_each_source_has_a_digest_of_its_own(project: Path) -> None:
    assert call_headway("prepare", "mnist_fashion").code == 0
    prepared = next(run for run in Tracker(project, "mnist_fashion").runs() if run.info.run_name == "prepare")
    digests = {it.dataset.name: it.dataset.digest for it in prepared.inputs.dataset_inputs}
    assert set(digests) == {
        f"{source}.{split}" for source in ("mnist", "fashion_mnist") for split in ("train", "validation", "test")
    }
    assert len(set(digests.values())) == 6


def test_the_champion_predicts(finished: tuple[Path, Result], tmp_path: Path) -> None:
    _project, result = finished
    assert result.json["model"] == "models:/debug@champion"
    table = tmp_path / "rows.csv"
    pd.DataFrame([[float(i % 16) for i in range(64)]] * 3, columns=[f"pixel_{i}" for i in range(64)]).to_csv(table)
    scored = call_headway(
        "predict", "--model", result.json["model"], "--input", str(table), "--output", str(tmp_path / "s.csv")
    )
    assert scored.code == 0
    answers = pd.read_csv(tmp_path / "s.csv")
    assert len(answers) == 3
    assert answers.filter(like="digit/probability/").sum(axis=1).round(5).eq(1.0).all()


def test_the_same_command_again_adds_one_parent_run_and_nothing_else(finished: tuple[Path, Result]) -> None:
    project, first = finished
    (project / "reports" / "debug" / "report.html").unlink()
    again = call_headway("run", "debug")
    assert again.code == 0
    assert "report: reports/debug/report.html\n" in again.out
    assert call_headway("open", "debug", "--print").out == f"{project / 'reports' / 'debug' / 'report.html'}\n"
    assert again.out.count("cached, answered by run") == 11
    assert named(project) == Counter(EXPECTED) + Counter({"debug (cached)": 1})
    assert len(Tracker(project, "debug").client.search_model_versions("name = 'debug'")) == 1
    before, after = (
        next(run for run in runs(project) if run.info.run_name == name) for name in ("debug", "debug (cached)")
    )
    assert after.data.metrics == before.data.metrics
    table = [it.data.tags["mlflow.note.content"].split("- [Report]")[0] for it in (before, after)]
    assert table[0] == table[1]
    assert {it.dataset.digest for it in after.inputs.dataset_inputs} == {
        it.dataset.digest for it in before.inputs.dataset_inputs
    }
    shown = call_headway("show", "debug", "--json").json["steps"]
    assert {step["step"]: step["run_id"] for step in shown} == {
        step["step"]: step["run_id"] for step in first.json["steps"]
    }


def test_another_margin_chooses_and_draws_the_page_again_and_trains_nothing(finished: tuple[Path, Result]) -> None:
    again = call_headway("run", "debug", "--set", "decision.margin=0.02", "--json")
    assert [step["step"] for step in again.json["steps"] if not step["cached"]] == ["select", "report"]


def test_steps_are_rebuilt_bit_for_bit(finished: tuple[Path, Result]) -> None:
    project, first = finished
    rebuilt = call_headway("rerun", first.json["run_id"], "--json")
    assert rebuilt.code == 0, rebuilt
    assert {verdict["answer"] for verdict in rebuilt.json} == {"bitwise equal"}
    assert len(rebuilt.json) == 8
    trial = next(run for run in runs(project) if run.info.run_name == "trial 2")
    assert "bitwise equal" in call_headway("rerun", trial.info.run_id).out


def test_why_names_what_changed(finished: tuple[Path, Result]) -> None:
    assert "nothing changed" in call_headway("why", "tune", "debug").out
    told = call_headway("why", "train", "debug", "--set", "training.learning_rate=0.01").out
    assert told.splitlines()[1:] == ["  values / training.learning_rate: (not there) -> 0.01"]


def test_diff_pairs_metrics_by_seed(finished: tuple[Path, Result]) -> None:
    _, first = finished
    ids = {step["step"]: step["run_id"] for step in first.json["steps"]}
    told = call_headway("diff", ids["train default"], ids["train tuned"], "--json").json
    assert told["data"] == {}
    assert told["code"] == {}
    assert "training.learning_rate" in told["configuration"]
    assert told["metrics"]["validation/digit/accuracy"]["pairs"] == 2


def test_diff_of_trials_is_what_they_try(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    ids = {run.info.run_name: run.info.run_id for run in runs(project)}
    told = call_headway("diff", ids["trial 2"], ids["trial 3"], "--json").json
    assert set(told["configuration"]) == {
        "training.learning_rate", "model.trunk.dropout", "balancing.weights.digit", "balancing.weights.parity",
    }  # fmt: skip
    whole = call_headway("diff", ids["trial 2"], ids["tune"], "--json").json
    assert "training.momentum" not in whole["configuration"]  # at its default in both, a parameter of neither


def test_damaged_outputs_are_made_again(finished: tuple[Path, Result]) -> None:
    project, first = finished
    folder = Path(next(step for step in first.json["steps"] if step["step"] == "train default")["outputs"])
    (folder / "model.safetensors").write_bytes(b"damaged")
    again = call_headway("train", "debug")
    assert "is damaged: running it again" in again.out
    assert named(project)["train default"] == 2


def test_force_runs_a_step_and_what_depends_on_it(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    before = named(project)
    assert call_headway("run", "debug", "--force", "evaluate").code == 0
    added = named(project) - before
    assert {"evaluate", "report", "debug forced evaluate"} <= set(added)
    assert not {"prepare", "tune", "train default"} & set(added)
    openings = [int(run.data.tags[tags.TEST_OPENING]) for run in runs(project) if tags.TEST_OPENING in run.data.tags]
    assert sorted(openings) == [1, 2]


def test_more_trials_continue_the_study(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    assert call_headway("tune", "debug", "--trials", "6").code == 0
    assert {f"trial {number}" for number in range(6)} <= set(named(project))
    assert (named(project)["trial 0"], named(project)["trial 5"]) == (3, 1)
    studies = {run.data.tags[tags.STUDY] for run in runs(project) if tags.STUDY in run.data.tags}
    assert len(studies) == 3


def test_another_batch_is_another_study_and_says_so(finished: tuple[Path, Result]) -> None:
    assert (
        "a new study, since values.tuning.batch 2 -> 4" in call_headway("tune", "debug", "--set", "tuning.batch=4").out
    )


def test_a_new_model_must_beat_the_champion(finished: tuple[Path, Result]) -> None:
    project, first = finished
    client = Tracker(project, "debug").client
    winner = client.get_model_version_by_alias("debug", "champion").run_id
    assert winner in {step["run_id"] for step in first.json["steps"]}
    told = call_headway(
        "run", "debug", "--set", "training.learning_rate=1e-6", "--set", "gate.min_gain=0.9", "--set", "tuning=null"
    )
    assert told.code == 0
    assert "as challenger" in told.out
    assert client.get_model_version_by_alias("debug", "champion").run_id == winner


def test_a_champion_of_other_data_is_not_compared(finished: tuple[Path, Result]) -> None:
    other = ["run", "debug", "--set", "data.validation=0.2", "--set", "tuning=null"]
    assert "other prepared data" in call_headway(*other).out
    promoted = call_headway(*other, "--promote", "--force", "train")
    assert "as champion: --promote" in promoted.out


def test_without_validation_nothing_is_chosen(finished: tuple[Path, Result]) -> None:
    told = call_headway(
        "run", "debug", "--json",
        "--set", "data.validation=0", "--set", "training.early_stopping=null", "--set", "tuning=null",
    )  # fmt: skip
    assert told.code == 0
    assert told.json["model"] == "models:/debug@champion"  # which the jobs before registered
    assert "left out" in Path(told.json["report"]).read_text()


def test_a_failed_run_says_why(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    ended = call_headway("train", "debug", "--set", "training.learning_rate=1e30", "--set", "training.optimizer=sgd")
    assert (ended.code, len(ended.err.splitlines())) == (1, 1)
    failed = next(run for run in runs(project) if run.info.status == "FAILED" and run.info.run_name == "train default")
    assert "diverged" in failed.data.tags[tags.OUTCOME]
    assert not (project / ".headway" / "outputs" / failed.data.tags[tags.KEY]).exists()


def test_gone_outputs_folder_is_no_obstacle(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    shutil.rmtree(project / ".headway")
    assert call_headway("train", "debug").code == 0
