"""Names are data: columns, labels, classes, tasks, files and folders may be called anything, through every command."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from tests.conftest import call_headway, make_project

SMALL = (
    "--set", "data.test=0.2",
    "--set", "training.epochs=1", "--set", "training.seeds=2", "--set", "model.trunk.widths=[8]",
    "--set", "baselines.reference=false", "--set", "baselines.single=false",
)  # fmt: skip
TRIALS = ("--set", "tuning.trials=2", "--set", "tuning.replicates=2")
FOLDER = "50%20 {x}?a=1#b'c\"é;&[q]:k"
FILE = "rows %20?#'<b>.csv"
INPUTS = [
    "sepal length (cm)", "100%", "$price", "why?", "a=b", "it's", "#no", "@home", "<b>bold</b>", "new\nline", "x" * 260,
    " lead", "a: b", "- dash", "back\\slash", "{flow}", "*star", "esc\x1b[31m", "\u202ertl", "null", "1e5", "2024",
    "犬", "</script>", "a,b", "a #c", "\ttab", "\u2028",
]  # fmt: skip
FLAGS = ["a b", "a_b", "A_B", "猫", "狗", "/", "y" * 260, "</script><b>"]
CLASSES = ["=cmd|' /C calc'!A0", "<i>no</i>\x1b[31m\n\u202e", 'null-ish, "quoted"']
ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2028]")


def table(rows: int = 120) -> pd.DataFrame:
    draws = np.random.default_rng(0)
    values = {
        name: draws.normal(size=rows).round(3) if place % 2 else draws.choice(["u", "v"], rows)
        for place, name in enumerate(INPUTS)
    }
    flags = {name: draws.integers(0, 2, rows) for name in FLAGS}
    classes = {
        "all": draws.choice(CLASSES, rows),
        "价格": draws.normal(size=rows),
        "数量": draws.choice(["a", "b"], rows),
    }
    return pd.DataFrame(values | flags | classes)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project in a folder of a strange name, in which a table of strange names was drafted and run."""
    with pytest.MonkeyPatch.context() as patch:
        folder = make_project(tmp_path_factory.mktemp("names") / FOLDER, patch)
        (folder / "mlflow.db").unlink()  # made here, by the first command
        table().to_csv(folder / FILE, index=False)
        flags = "+".join(f'"{name}"' for name in FLAGS)
        targets = f'all,"价格":regression,数量,"flags,:"={flags}:multilabel'
        done = call_headway("init", FILE, "--targets", targets, "--name", "my data!")
        assert done.code == 0, done.err
        done = call_headway("run", "my_data_", *SMALL, *TRIALS, "--json")
        assert done.code == 0, done.err
        yield folder


def runs(key: str) -> list[Any]:
    """The runs of the experiment that have a metric."""
    import mlflow  # late: commands set first what it reads on import

    return list(mlflow.MlflowClient().search_runs(["1"], f"metrics.`{key}` > -1"))


def test_the_draft_says_what_was_meant(project: Path) -> None:
    text = (project / "experiments" / "my_data_.yaml").read_text(encoding="utf-8")
    said = yaml.safe_load(text)
    assert text.startswith("# 'my data!' is called my_data_")
    assert list(said["sources"]["my_data_"]["inputs"]) == INPUTS
    assert said["sources"]["my_data_"]["labels"] == {"flags,:": FLAGS}
    assert {name: task.get("label") for name, task in said["tasks"].items()} == {
        "all_": "all", "label": "价格", "label_": "数量", "flags__": "flags,:",
    }  # fmt: skip
    assert not ESCAPES.search(text.replace("\n", ""))


def test_all_that_is_made_lies_in_the_project(project: Path) -> None:
    assert [it.name for it in project.parent.iterdir()] == [project.name]
    assert {"mlflow.db", "optuna.db", "mlruns"} <= {it.name for it in project.iterdir()}


def test_labels_have_metrics_of_their_own(project: Path) -> None:
    import mlflow

    run = runs("test/flags__/roc_auc.A_B")[0]
    keys = [
        it for it in run.data.metrics if it.startswith("test/flags__/roc_auc.") and not it.endswith(("low", "high"))
    ]
    names = json.loads(
        Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="metric_names.json")).read_text()
    )
    assert sorted(names.get(key, key).partition(".")[2] for key in keys) == sorted(FLAGS)
    assert {"test/flags__/roc_auc.猫", "test/flags__/roc_auc.狗"} <= set(keys)
    assert max(map(len, keys)) <= 250


def test_parameters_name_no_column(project: Path) -> None:
    run = runs("test/flags__/roc_auc")[0]
    assert not any("sepal" in text for pair in run.data.params.items() for text in pair)


def test_pages_show_names_and_obey_none(project: Path) -> None:
    pages = list((project / ".headway" / "outputs").rglob("*.html"))
    report = next(it for it in pages if it.name == "report.html").read_text(encoding="utf-8")
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not ESCAPES.search(text.replace("\n", ""))
        assert "<b>bold" not in text
        assert "</script><b>" not in text
        assert "<i>no</i>" not in text
    assert "&lt;i&gt;no&lt;/i&gt;\\x1b[31m\\n\\u202e" in report
    assert "roc_auc.a b" in report
    for title in ("价格", "数量", "flags,:"):
        assert f"<td>{title}</td>" in report


def test_commands_say_names_and_obey_none(project: Path) -> None:
    options = ("my_data_", *SMALL, *TRIALS)
    for command in (
        ("show", *options), ("show", "my_data_", "--data", *SMALL[:2]), ("why", "evaluate", *options), ("list",),
        ("diff", *(run.info.run_id for run in runs("test/flags__/roc_auc")[:2])),
    ):  # fmt: skip
        said = call_headway(*command)
        assert said.code == 0, said.err
        assert not ESCAPES.search((said.out + said.err).replace("\n", "")), command
    assert "test/flags__/roc_auc.</script><b>: " in said.out
    assert "犬: " in call_headway("show", "my_data_").out


@pytest.mark.parametrize("spreadsheet", [False, True])
def test_answers_parse_back_to_what_was_written(project: Path, spreadsheet: bool) -> None:
    option = ("--spreadsheet",) if spreadsheet else ()
    out = "out %20?#.csv"
    done = call_headway("predict", "--model", "models:/my_data_@champion", "--input", FILE, "--output", out, *option)
    assert done.code == 0, done.err
    answers = set(pd.read_csv(project / out, keep_default_na=False)["all_/class"])
    formula = CLASSES[0]
    assert answers <= {f"'{formula}" if spreadsheet else formula, *CLASSES[1:]}
    assert ("as a formula" in done.err) == (not spreadsheet)


def test_the_model_answers_frames_of_such_columns(project: Path, tmp_path: Path) -> None:
    import mlflow

    # In place MLflow cannot load from a folder whose name holds %20.
    model = mlflow.pyfunc.load_model("models:/my_data_@champion", dst_path=str(tmp_path))
    assert len(model.predict(table()[INPUTS].head(3))) == 3


def test_folders_of_images_may_be_called_anything(project: Path) -> None:
    draws = np.random.default_rng(0)
    for place, name in enumerate(classes := ["a b", "a_b", "<b>", "=x", "猫", "new\nline", "esc\x1b[31m", "q?#&'\""]):
        folder = project / "imgs #1%20" / name
        folder.mkdir(parents=True)
        for number in range(8):
            pixels = draws.integers(place * 25, place * 25 + 40, (8, 8, 3)).astype("uint8")
            Image.fromarray(pixels).save(folder / f"im %20?#{number}'<.png")
    assert call_headway("init", "imgs #1%20", "--name", "im").code == 0
    done = call_headway("run", "im", *SMALL, "--set", "tuning=null")
    assert done.code == 0, done.err
    done = call_headway("predict", "--model", "models:/im@champion", "--input", "imgs #1%20/=x", "--output", "im.csv")
    assert done.code == 0, done.err
    answers = pd.read_csv(project / "im.csv", keep_default_na=False)
    assert set(answers["class/class"]) <= set(classes)
    assert list(answers["file"]) == [f"im %20?#{number}'<.png" for number in range(8)]


@pytest.mark.parametrize("name", ["on", "no", "null", "007", "1e5", "2024", "2024-01-05"])
def test_files_and_targets_may_be_called_as_yaml_calls_others(name: str, project: Path) -> None:
    frame = pd.DataFrame({"x": range(60), "z": np.random.default_rng(0).normal(size=60), name: ["a", "b"] * 30})
    frame.to_csv(project / f"{name}.csv", index=False)
    done = call_headway("init", f"{name}.csv", "--targets", f"{name}:binary")
    assert done.code == 0, done.err
    said = yaml.safe_load((project / "experiments" / f"{name}.yaml").read_text())
    assert (said["name"], list(said["tasks"])) == (name, [name])
    done = call_headway("prepare", name)
    assert done.code == 0, done.err
