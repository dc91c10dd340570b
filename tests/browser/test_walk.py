"""What a new user finds in MLflow's pages and in Optuna's dashboard after `headway run`."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.walk import walk


@pytest.fixture(scope="module")
def run(said: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return said["run"]


@pytest.fixture(scope="module")
def seen(browser: Browser, folder: Path, run: dict[str, Any]) -> dict[str, str]:
    """What is to be read in each place, by its name."""
    return {name: page.locator("body").inner_text() for name, page in walk(browser, folder, run)}


def test_the_experiment_opens_on_its_pipelines(seen: dict[str, str]) -> None:
    assert "matching runs" in seen["experiment"]
    assert "debug compare" in seen["experiment"]
    assert "digits.train" in seen["experiment"]  # a data set
    assert "headway" in seen["experiment"]  # the source


def test_its_pipelines_stand_by_their_decision_and_metrics(seen: dict[str, str]) -> None:
    page = seen["pipelines"]
    assert "debug compare" in page
    assert "delta_m_percent" in page
    assert re.search(r"\b3 matching runs", page)  # run, compare and explain: neither steps nor trials


def test_the_pipelines_own_run_carries_the_answer(seen: dict[str, str], run: dict[str, Any]) -> None:
    page = seen["run"]
    assert _plain(run["answer"]) in _plain(page)
    for metric in ("test/tuned/all/delta_m_percent", "test/tuned/digit/accuracy", "test/single-task/parity/accuracy"):
        assert metric in page
    assert "No metrics recorded" not in page
    about = page[page.index("About this run") :]
    assert re.search(r"Created by\s+\w+", about)
    assert re.search(r"Source\s+headway run debug", about)
    assert "evaluate," in about  # its children
    assert "digits.train" in about


def test_its_report_is_an_artifact_that_draws_its_figures(seen: dict[str, str]) -> None:
    assert "report.html" in seen["artifact"]


def test_a_step_is_a_child_with_what_the_study_found(seen: dict[str, str]) -> None:
    assert re.search(r"Parent run\s+debug", seen["child"])
    assert "objective" in seen["child"]


def test_trials_stand_side_by_side_with_what_they_were_tried_for(seen: dict[str, str]) -> None:
    assert re.search(r"\b10 matching runs", seen["trials"])
    assert "validation/all/objective" in seen["trials"]  # by which they are sorted
    page = seen["compared"]
    for name in ("Comparing 10 Runs", "trial 0", "trial 9", "balancing.weights.digit", "training.learning_rate"):
        assert name in page


def test_the_champion_says_what_it_answers_and_its_model_how_well(seen: dict[str, str]) -> None:
    version = seen["version"]
    assert "champion" in version
    assert re.search(r"digit.*0, 1, 2, 3, 4, 5, 6, 7, 8, 9", version)  # the classes
    assert re.search(r"parity.*even, odd", version)
    assert "Outputs (16)" in version  # each task's label and class, and 10 and 2 probabilities
    model = seen["model"]
    assert re.search("test/(digit|parity)/accuracy", model)
    assert re.search(r"(digits|prepared)\.test", model)  # the data set of the metrics
    assert "No metrics recorded" not in model
    assert "Not registered" not in model


def test_the_dashboard_names_the_objective_and_what_the_study_is_about(seen: dict[str, str]) -> None:
    page = seen["dashboard"]
    assert "Objective 0" not in page
    assert "validation/all/objective" in page
    assert re.search(r"experiment\s+debug", page)
    assert re.search(r"objective\s+mean of validation/", page)


def _plain(text: str) -> str:
    """A text without what Markdown and line ends make of it."""
    return re.sub(r"\s+", " ", text)
