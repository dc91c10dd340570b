"""`headway explain`: from an experiment to a page that says what its tasks look at."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from markupsafe import escape

from pipeline.data import prepared
from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.analysis.made import unpacked
from tests.conftest import Result, call_headway, make_project
from tests.data import texts

SMALL = (
    "--set", "training.epochs=15", "--set", "training.schedule=constant", "--set", "training.early_stopping.patience=3",
    "--set", "training.seeds=2", "--set", "explain.rows=80",
)  # fmt: skip
HOUSES = """
name: houses
sources:
  houses: {kind: table, path: houses.csv, inputs: {town: categorical, area: numeric, rooms: numeric, noise: numeric}}
tasks:
  price: {kind: regression, source: houses}
  grand: {kind: binary, source: houses}
  marks: {kind: multilabel, source: houses}
model: {trunk: {kind: tabular, widths: [32]}}
training: {learning_rate: 0.01, batch_size: 32}
data: {test: 0.2}
tuning: null
"""


TEXTS = {
    "name": "words",
    "sources": texts.SOURCES,
    "tasks": {task: it for task, it in texts.TASKS.items() if task != "stars"},
    "data": {"validation": 0.2, "test": 0.2},
    "model": {"trunk": {"kind": "gru", "embedding": 12, "widths": [12]}},
    "training": {"learning_rate": 0.01, "batch_size": 16},
    "tuning": None,
}


def houses(count: int) -> pd.DataFrame:
    draws = np.random.default_rng(0)
    town, area = draws.choice(["Bern", "Oslo", "Lima"], count), draws.gamma(5.0, 20.0, count).round(1)
    rooms = draws.integers(1, 8, count)
    frame = pd.DataFrame({"town": town, "area": area, "rooms": rooms, "noise": draws.normal(size=count).round(3)})
    frame["price"] = (3 * area + 150 * (town == "Bern")).round()
    frame["grand"] = np.where(rooms > 4, "yes", "no")
    frame["old"], frame["loud"] = (rooms > 2).astype(int), (town == "Lima").astype(int)
    frame.loc[draws.random(count) < 0.1, "area"] = None
    return frame


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project for this module, in which tests run in order and add to it."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("explain") / "project", patch)
        houses(800).to_csv(project / "houses.csv", index=False)
        text = HOUSES.replace("path: houses.csv,", "path: houses.csv, labels: {marks: [old, loud]},")
        (project / "experiments" / "houses.yaml").write_text(text)
        texts.written(project, names__conll=texts.conll(250), posts__jsonl=texts.posts(400))
        (project / "experiments" / "words.yaml").write_text(yaml.safe_dump(TEXTS))
        yield project


@pytest.fixture(scope="module")
def digits(place: Path) -> Result:
    return call_headway("explain", "digits", *SMALL, "--json")


@pytest.fixture(scope="module")
def table(place: Path) -> Result:
    return call_headway("explain", "houses", *SMALL, "--json")


@pytest.fixture(scope="module")
def text(place: Path) -> Result:
    return call_headway("explain", "words", *SMALL, "--json")


def outputs(told: Any) -> Path:
    """The folder of the step's outputs."""
    return next(Path(step["outputs"]) for step in told["steps"] if step["step"] == "explain")


def tables(result: Result) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    assert (result.code, result.err) == (0, "")
    folder = outputs(result.json)
    importance, sharing, checks = (pd.read_csv(folder / f"{it}.csv") for it in ("importance", "sharing", "checks"))
    return importance, sharing, checks


@pytest.mark.parametrize("name", ["digits", "table", "text"])
def test_randomised_weights_destroy_what_two_seeds_agree_on(name: str, request: pytest.FixtureRequest) -> None:
    _, _, checks = tables(request.getfixturevalue(name))
    assert len(checks) == (4 if name == "text" else 6)
    assert checks["another_seed"].mean() > 0.7
    assert checks["randomised"].abs().mean() < 0.25
    assert (checks["another_seed"] - checks["randomised"] > 0.25).all()


def test_the_columns_that_a_target_is_made_of_count_most(table: Result) -> None:
    share = tables(table)[0].pivot_table(index=["task", "method"], columns="input", values="share")
    np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=1e-5)
    for method in ("gradients", "occlusion"):
        assert set(share.loc["price", method].nlargest(2).index) == {"area", "town"}
        assert share.loc["grand", method].idxmax() == "rooms"
        assert set(share.loc["marks", method].nlargest(2).index) == {"rooms", "town"}


def test_the_words_that_a_target_is_made_of_count_most(text: Result) -> None:
    importance, sharing, _ = tables(text)
    assert importance.empty
    words = pd.read_csv(outputs(text.json) / "words.csv")
    assert (words["times"] >= 5).all()
    most = words.groupby(["task", "method"])["word"].apply(lambda it: set(it[:4]))
    names = {"anna", "bo", "li", "carla", "oslo", "new", "york", "lima"}
    for method in ("gradients", "occlusion"):
        assert most["mood", method] == {"great", "lovely", "awful", "poor"}
        assert most["who", method] <= names
    assert sharing["rows"].isna().all()  # of two sources
    assert sharing["means"].notna().all()


def test_texts_are_shown_with_what_counts(text: Result) -> None:
    page = Path(text.json["report"]).read_text()
    assert "names, texts of validation" in page
    assert "posts, texts of validation" in page
    darkest = re.findall(r'title="[+-]1.00 of the most">([^<]*)</span>', page)
    assert len(darkest) == 8
    assert {"great", "lovely", "awful", "poor"} & set(darkest)
    moods = re.findall(r"<td>mood</td><td>(good|bad)</td><td>(?:<strong>)?(good|bad) \((?:> )?\d+\.\d %\)", page)
    assert len(moods) == 4
    assert sum(true == predicted for true, predicted in moods) >= 2
    assert len(re.findall(r"<td>who</td><td>[^<]+ \((?:person|place)\)", page)) == 4


def test_tasks_that_look_at_the_same_columns_agree_more(table: Result) -> None:
    level = tables(table)[1].groupby(["task", "against"])["means"].min()
    assert level["grand", "marks"] > level["price", "grand"]


def test_what_no_image_shows_counts_for_nothing(digits: Result) -> None:
    importance, sharing, _ = tables(digits)
    share = importance.query("method == 'gradients'").pivot_table(index="task", columns="input", values="share")
    assert share.shape == (3, 64)
    assert share[0].max() < 1e-6  # the corner is black in every image
    assert len(sharing) == 6
    assert sharing[["rows", "means", "randomised"]].notna().all(axis=None)


def test_the_page_shows_maps_bars_and_images_and_asks_for_nothing(digits: Result, table: Result) -> None:
    for result, captions in ((digits, ["digit: occlusion", "image 1 of validation"]), (table, ["price", "marks"])):
        page = Path(result.json["report"]).read_text()
        short, sure = re.findall(r'<h1>(.*)</h1>|<p class="answer">(.*)</p>', page)
        assert escape(result.json["answer"]) == f"{short[0]} {sure[1]}"
        assert all(caption in page for caption in captions)
        assert all(f"<td>{fact}</td>" in page for fact in ("commit", "root seed", "libraries", "processor"))
        assert "headway explain" in page
        assert "default-src 'none'" in page
        figures = json.loads(unpacked(page, "figures"))
        assert len(figures) >= 3
        assert all(figure["data"] for figure in figures.values())


def test_the_run_holds_figures_and_metrics(digits: Result, place: Path) -> None:
    tracker = Tracker(place, "digits")
    run = tracker.get(next(step["run_id"] for step in digits.json["steps"] if step["step"] == "explain"))
    assert run.data.metrics["validation/digit/gradients_agreement_another_seed"] > 0.6
    assert "validation/digit/gradients_agreement.parity" in run.data.metrics
    names = {it.path for it in tracker.client.list_artifacts(run.info.run_id)}
    assert {"explain.html", "importance.csv", "sharing.csv", "checks.csv"} <= names


def test_only_training_and_validation_are_read_and_a_second_time_nothing(
    digits: Result, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    before = prepared.open_split
    monkeypatch.setattr(prepared, "open_split", lambda it, split: opened.append(split) or before(it, split))
    again = call_headway("explain", "digits", *SMALL, "--json").json
    assert all(step["cached"] for step in again["steps"])
    assert not opened
    forced = call_headway("explain", "digits", *SMALL, "--force", "explain", "--json").json
    assert [step["step"] for step in forced["steps"] if not step["cached"]] == ["explain"]
    assert set(opened) == {"validation"}
    one, two = ((outputs(it) / "importance.csv").read_bytes() for it in (again, forced))
    assert one == two


def test_what_was_selected_is_explained_once_the_job_is_done(place: Path) -> None:
    small = ("--set", "training.epochs=1", "--set", "tuning.trials=2", "--set", "explain.rows=20")
    before = call_headway("explain", "debug", *small)
    assert "the whole job is not done, so the experiment as written is explained" in before.out
    assert call_headway("evaluate", "debug", *small).code == 0
    chosen = next(run for run in Tracker(place, "debug").runs() if run.info.run_name == "select").data.tags[
        tags.SELECTED
    ]
    titles = [f"train single {task}" for task in ("digit", "parity")] if chosen == "single" else [f"train {chosen}"]
    after = call_headway("explain", "debug", *small, "--json").json
    assert [step["step"] for step in after["steps"]] == ["prepare", *titles, "explain"]


def test_why_says_what_changed(digits: Result, place: Path) -> None:
    assert "explain: nothing changed" in call_headway("why", "explain", "digits", *SMALL).out
    told = call_headway("why", "explain", "digits", *SMALL, "--set", "explain.rows=81").out
    assert "values / explain.rows: 80 -> 81" in told


def test_without_a_validation_split_it_says_so(place: Path) -> None:
    bare = ("data.validation=0", "training.early_stopping=null", "tuning=null")
    ended = call_headway("explain", "debug", *(word for it in bare for word in ("--set", it)))
    assert ended.code == 2
    assert "give data.validation a share" in ended.err
