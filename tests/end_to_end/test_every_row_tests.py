"""A small table, every row of which tests: from the file to the model, killed in the middle, and what comes of it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.data.prepared import open_prepared, outer_file
from pipeline.serving.served import Served
from pipeline.serving.slots import merged, one_slot
from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from pipeline.training.saved import file_of
from tests.conftest import Result, call_headway, make_project

ROWS, REPLICATES = 60, 4
PLAIN = ("--set", "tuning=null")


def sold(rows: int = ROWS) -> pd.DataFrame:
    """What is sold follows size and town; some of it is not known."""
    draws = np.random.default_rng(0)
    size, town = draws.normal(size=rows), draws.choice(["Bern", "Oslo"], rows)
    value = size + (town == "Bern") + draws.normal(0, 0.3, rows)
    frame = pd.DataFrame(
        {
            "size": size.round(3),
            "town": town,
            "sold": np.where(value > 0.5, "yes", "no"),
            "kind": np.where(value > 1, "villa", np.where(value > 0, "house", "flat")),
            "price": (100 + 30 * value).round(1),
            "old": (size > 0).astype(int),
            "quiet": (town == "Oslo").astype(int),
        }
    )
    frame.loc[draws.random(rows) < 0.1, "sold"] = None
    return frame


EXPERIMENT = {
    "sources": {
        "houses": {
            "kind": "table", "path": "sold.csv", "inputs": {"size": "numeric", "town": "categorical"},
            "labels": {"marks": ["old", "quiet"]},
        }
    },
    "tasks": {
        "sold": {"kind": "binary", "source": "houses"},
        "kind": {"kind": "multiclass", "source": "houses"},
        "price": {"kind": "regression", "source": "houses"},
        "marks": {"kind": "multilabel", "source": "houses"},
    },
    "data": {"test": {"folds": 2, "repeats": 2}},
    "model": {"trunk": {"kind": "tabular", "widths": [8]}},
    "training": {"epochs": 2, "batch_size": 16},
    "tuning": {"trials": 8, "batch": 4},
    "baselines": {"reference": False},
}  # fmt: skip


def place(folder: Path, patch: pytest.MonkeyPatch, **changes: Any) -> Path:
    """A project with the experiment."""
    project = make_project(folder, patch)
    sold().to_csv(project / "sold.csv", index=False)
    (project / "experiments" / "houses.yaml").write_text(yaml.safe_dump(EXPERIMENT | changes))
    return project


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Result]]:
    """A project in which the job ran once. Tests here run in order and add to it."""
    with pytest.MonkeyPatch.context() as patch:
        project = place(tmp_path_factory.mktemp("every") / "project", patch)
        before = call_headway("predict", "houses", "--out-of-fold", "--output", "early.csv")
        assert (before.code, before.err.count("\n")) == (2, 1)
        assert "headway evaluate houses opens it" in before.err
        yield project, call_headway("run", "houses", "--json")


Finished = tuple[Path, Result]


def runs(project: Path, name: str) -> list[Any]:
    return [run for run in Tracker(project, "houses").runs() if run.info.run_name.startswith(name)]


def prepared_of(project: Path) -> Path:
    (folder,) = (project / ".headway" / "prepared").iterdir()
    return folder


def test_every_arm_and_the_experiment_as_written_have_a_network_for_each_replicate(finished: Finished) -> None:
    result = finished[1]
    assert (result.code, result.err) == (0, "")
    titles = [step["step"] for step in result.json["steps"]]
    register = titles.index("register")
    assert titles[register - 1].startswith("train champion")
    assert titles[register:] == ["register", "evaluate", "report"]
    for step in result.json["steps"]:
        if step["step"].startswith("train") and "champion" not in step["step"]:
            history = pd.read_parquet(Path(step["outputs"]) / "history.parquet")
            assert history["slot"].nunique() == REPLICATES


def test_the_answer_says_how_the_rows_test(finished: Finished) -> None:
    assert "; every row tests: 2 folds, twice (4 replicates). " in finished[1].json["answer"]


def test_test_is_opened_once_for_all_replicates(finished: Finished) -> None:
    opened = [
        run.data.tags[tags.TEST_OPENING] for run in runs(finished[0], "evaluate") if tags.TEST_OPENING in run.data.tags
    ]
    assert opened == ["1"]


def test_runs_say_what_they_read_once_a_split(finished: Finished) -> None:
    read = {run.info.run_name: [it.dataset.name for it in run.inputs.dataset_inputs] for run in runs(finished[0], "")}
    assert sorted(read["train default"]) == ["prepared.train", "prepared.validation"]
    assert read["evaluate"] == ["prepared.test"]
    digests = {
        name: {it.dataset.digest for it in run.inputs.dataset_inputs}
        for name in ("train default", "train champion")
        for run in runs(finished[0], name)
    }
    assert not digests["train default"] & digests["train champion"]


def test_the_same_job_again_is_answered_from_what_is_there(finished: Finished) -> None:
    again = call_headway("run", "houses", "--json")
    assert all(step["cached"] for step in again.json["steps"])
    assert again.json["answer"] == finished[1].json["answer"]


def test_show_and_why_know_the_champion(finished: Finished) -> None:
    shown = {step["step"]: step for step in json.loads(call_headway("show", "houses", "--json").out)["steps"]}
    assert all(it["status"] == "cached" for it in shown.values())
    champion = next(it for it in shown if it.startswith("train champion"))
    assert "nothing changed" in call_headway("why", champion, "houses").out
    more = call_headway("why", "train default", "houses", "--set", "training.batch_size=8").out
    assert "values / training.batch_size" in more


def test_everything_can_be_rebuilt(finished: Finished) -> None:
    result = call_headway("rerun", finished[1].json["run_id"])
    assert result.code == 0, result.out
    assert result.out.count("bitwise equal") == len(
        [it for it in finished[1].json["steps"] if it["step"].startswith(("prepare", "train", "tune"))]
    )
    trial, *_ = runs(finished[0], "trial 3")
    assert "bitwise equal" in call_headway("rerun", trial.info.run_id).out


def test_out_of_fold_every_row_is_predicted_in_the_columns_of_predict(finished: Finished) -> None:
    project, _ = finished
    assert call_headway("predict", "houses", "--out-of-fold", "--output", "folds.csv").code == 0
    model = finished[1].json["model"]
    assert (
        call_headway("predict", "--model", model, "--input", "sold.csv", "--output", "champion.csv", "--keep", "").code
        == 0
    )
    folds, champion = (pd.read_csv(project / name) for name in ("folds.csv", "champion.csv"))
    assert list(folds.columns) == list(champion.columns)
    assert folds.dtypes.equals(champion.dtypes)
    assert len(folds) == ROWS
    chances = [it for it in folds if it.startswith("kind/probability/")]
    np.testing.assert_allclose(folds[chances].sum(axis=1), 1.0, atol=1e-5)
    assert (folds["kind/label"] == folds[chances].to_numpy().argmax(1)).all()


def test_they_are_the_means_of_the_networks_that_never_saw_the_row(finished: Finished) -> None:
    project, result = finished
    outputs = {it["step"]: Path(it["outputs"]) for it in result.json["steps"]}
    role = json.loads((outputs["select"] / "selected.json").read_text())["role"]
    folders = [folder for step, folder in outputs.items() if step.startswith(f"train {role}")]
    prepared = open_prepared(prepared_of(project))
    of, written = np.load(prepared.folder / outer_file("houses")), pd.read_csv(project / "folds.csv")
    for row in (0, 17, 59):
        seen = []
        for repeat, fold in enumerate(of[row].tolist()):
            slot, view = f"seed/{2 * repeat + fold}", prepared.replicates[2 * repeat + fold].folder
            inputs = np.load(view / "houses.test.inputs.npy")[np.load(view / "houses.test.rows.npy") == row]
            network = Served(*merged([one_slot(file_of(folder, slot), slot) for folder in folders]))
            seen.append(network.answers("houses", inputs).iloc[0])
        for column in ("price/value", "sold/probability/yes", "marks/probability/old"):
            assert written[column][row] == pytest.approx(np.mean([it[column] for it in seen]), abs=1e-6)


def test_of_a_registered_model_they_are_those_of_its_job(finished: Finished) -> None:
    project, result = finished
    (version,) = Tracker(project, "houses").client.search_model_versions("name = 'houses'")
    for model in (result.json["model"], "models:/houses/1", version.source):
        assert call_headway("predict", model, "--out-of-fold", "--output", "model.csv").code == 0
        assert (project / "model.csv").read_text() == (project / "folds.csv").read_text()
        (project / "model.csv").unlink()


def test_the_model_says_whose_its_figures_are(finished: Finished) -> None:
    (version,) = Tracker(finished[0], "houses").client.search_model_versions("name = 'houses'")
    assert "its figures are those of the candidate's 4 replicates" in version.description


def test_the_data_are_shown_with_the_splits_of_replicates(finished: Finished) -> None:
    assert "4 replicates of 27 train, 3 validation, 30 test" in call_headway("show", "houses", "--data").out


def test_the_page_of_explain_is_of_the_champion(finished: Finished) -> None:
    result = call_headway("explain", "houses", "--json")
    assert (result.code, result.err) == (0, "")
    assert [it["step"] for it in result.json["steps"] if not it["cached"]] == ["explain"]
    run = next(iter(runs(finished[0], "explain")))
    assert run.data.tags[tags.ROLE] == "champion"


def test_a_champion_that_has_learnt_from_rows_of_the_validation_split_is_not_compared(finished: Finished) -> None:
    result = call_headway("run", "houses", *PLAIN, "--set", "seed=1", "--json")
    assert result.code == 0, result.err
    (gate,) = [run.data.tags[tags.GATE] for run in runs(finished[0], "register")][:1]
    assert re.fullmatch(
        r"challenger: the champion, version 1, was trained on \d of these 6 validation rows; --promote to replace it",
        gate,
    )
    promoted = call_headway("run", "houses", *PLAIN, "--set", "seed=1", "--promote", "--json")
    assert promoted.code == 0, promoted.err
    assert all(step["cached"] for step in promoted.json["steps"])
    register = runs(finished[0], "register")[0]
    assert register.data.tags[tags.GATE] == "champion: --promote, not compared with version 1"
    client = Tracker(finished[0], "houses").client
    assert client.get_model_version_by_alias("houses", "champion").run_id == register.info.run_id


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["training.seeds=5"], "training.seeds=5, but the data have 4 replicates (2 folds, twice)"),
        (["tuning.replicates=3"], "tuning.replicates=3, but the data have 4 replicates (2 folds, twice)"),
        (["tuning.trials=10"], "tuning.trials=10 cannot be dealt out to 4 replicates evenly"),
    ],
)
def test_numbers_that_the_data_contradict_are_one_line(finished: Finished, changed: list[str], said: str) -> None:
    for command in (["run"], ["why", "tune"], ["show"], ["tune"]):
        result = call_headway(*command, "houses", "--set", *changed)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert said in result.err


def test_of_one_split_nothing_is_out_of_fold(finished: Finished) -> None:
    split = ("--set", "data.test=0.2", *PLAIN)
    assert call_headway("prepare", "houses", *split).code == 0
    result = call_headway("predict", "houses", "--out-of-fold", "--output", "none.csv", *split)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "has one test split" in result.err
    assert not (finished[0] / "none.csv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["houses"], "Missing option '--output'"),
        (["houses", "--output", "x.csv", "--input", "sold.csv"], "no --input"),
        (["--output", "x.csv"], "needs an EXPERIMENT, or a --model"),
        (["houses", "--output", "x.csv", "--source", "cars"], "--source cars: the tasks read houses"),
        (["models:/other@champion", "--output", "x.csv"], "no job of Headway's here has registered such a model"),
        (["houses", "--output", "x.txt"], "its name must end in .csv or .parquet"),
    ],
)
def test_what_cannot_be_predicted_out_of_fold_is_one_line(finished: Finished, words: list[str], said: str) -> None:
    result = call_headway("predict", "--out-of-fold", *words)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert said in result.err


@pytest.mark.slow
def test_a_job_killed_again_and_again_ends_in_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = {"training": EXPERIMENT["training"] | {"epochs": 30}}
    tables = []
    for name in ("unbroken", "broken"):
        project = place(tmp_path / name, monkeypatch, **long)
        if name == "broken":
            for seen in (2, 5, 9):  # outputs of so many steps
                killed_after(project, seen)
        finish(started(project))
        folders = [
            folder for folder in (project / ".headway" / "outputs").iterdir() if (folder / "scores.csv").exists()
        ]
        tables.append({it: (folders[0] / it).read_text() for it in ("scores.csv", "differences.csv", "delta_m.csv")})
        assert {run.info.status for run in Tracker(project, "houses").runs()} <= {"FINISHED", "KILLED"}
    assert tables[0] == tables[1]


def started(project: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline", "run", "houses", "--resume"]
    return subprocess.Popen(
        command, cwd=project, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=600)
    assert (process.returncode, err) == (0, "")


def killed_after(project: Path, steps: int) -> None:
    """SIGKILL the job a moment after so many steps have left outputs."""
    process, outputs = started(project), project / ".headway" / "outputs"
    while process.poll() is None and not (outputs.is_dir() and len(list(outputs.glob("[!.]*"))) >= steps):
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
