"""The page: complete by itself, safe with any text, and whole whatever is missing."""

import html
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs_version

from pipeline.analysis.candidate import SINGLE
from pipeline.reports import ReportData, render, verdict
from pipeline.reports.verdict import plain
from tests.analysis.made import report_data, unpacked

SPACE = {"balancing.weights": {"simplex": True}, "training.learning_rate": {"float": [1e-4, 1e-2], "log": True}}
EVIL = '<script>alert(1)</script> & "quotes" \'</script>'


def trials(count: int) -> pd.DataFrame:
    draws = np.random.default_rng(0)
    weights = draws.uniform(0, 2, count)
    return pd.DataFrame(
        {
            "number": range(count),
            "state": ["PRUNED" if number % 6 == 5 else "COMPLETE" for number in range(count)],
            "reason": ["diverged" if number % 6 == 5 else "" for number in range(count)],
            "value": draws.uniform(0.5, 0.9, count),
            "balancing.weights.a": weights,
            "balancing.weights.b": 2 - weights,
            "training.learning_rate": 10 ** draws.uniform(-4, -2, count),
            "epoch_1": draws.uniform(0.3, 0.5, count),
            "seconds": np.ones(count),
            "validation/a/accuracy": draws.uniform(0.6, 0.9, count),
            "validation/b/accuracy": draws.uniform(0.6, 0.9, count),
        }
    )


def conditional(count: int) -> pd.DataFrame:
    """Trials of which every other one searched the weights, and each third a momentum."""
    table = trials(count)
    weights = [name for name in table if name.startswith("balancing.weights.")]
    table.loc[table["number"] % 2 == int(table["value"].idxmax()) % 2, weights] = np.nan
    return table.assign(**{"training.momentum": [0.1 * it if it % 3 else np.nan for it in range(count)]})


def made(**more: Any) -> ReportData:
    return report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}, **more)


def without_scripts(page: str) -> str:
    """What a browser shows: the page without its programs and data."""
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def page() -> str:
    return render(
        made(
            trials=trials(12),
            space=SPACE,
            steps=pd.DataFrame({"step": [EVIL], "seconds": [1.0], "cached": [False]}),
            openings=pd.DataFrame({"when": ["now", "then"], "candidates": ["default", EVIL]}),
            notes=(EVIL,),
            commands=(f"headway run x --set name={EVIL}",),
            facts={EVIL: EVIL},
        )
    )


def test_the_page_begins_with_a_plain_sentence_and_the_verdict(page: str) -> None:
    header = without_scripts(page).split("<header>")[1]
    assert re.findall(r"<h1>(.*?)</h1>", header) == [html.escape(plain(made()))]
    assert re.findall(r'<p class="answer">(.*?)</p>', header) == [html.escape(verdict(made()))]


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    assert not re.search(r"<(script|img|iframe|link|video|audio|object|embed)[^>]*\b(src|href|data)=", page)
    assert not re.search(r"""\b(src|href)=["']?(https?:)?//""", without_scripts(page))
    assert not re.search(r"@import|url\(", without_scripts(page))
    assert "default-src 'none'" in page


def test_there_is_one_copy_of_plotly_of_the_version_that_python_has(page: str) -> None:
    library = unpacked(page, "plotly")
    assert library.lstrip("/* \n").startswith(f"plotly.js (cartesian - minified) v{get_plotlyjs_version()}\n")
    assert len(page) < 1_000_000


def test_texts_are_shown_as_they_are(page: str) -> None:
    assert "alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;quotes&#34;" in without_scripts(page)


def test_every_part_of_the_report_has_its_section(page: str) -> None:
    for title in (
        "Best configuration", "Candidates side by side", "The search", "Trade-off between tasks", "Learning curves",
        "Train-validation gap", "Confusion matrices", "Time and cost", "The test split", "Notes", "How to reproduce",
    ):  # fmt: skip
        assert f"<h2>{title}</h2>" in page
    for figure in ("Objective of each trial", "Importance", "Parallel coordinates", "Slices", "Weights of the tasks"):
        assert figure in page


def test_the_search_says_how_its_trials_ended(page: str) -> None:
    assert "12 trials: 10 completed, 2 diverged." in page


def test_a_saving_is_told_only_where_it_is_more_than_the_spread_of_the_measurement() -> None:
    data = made()
    costs = data.evaluation.costs.assign(
        parameters=[10 * (1 + (it == SINGLE)) for it in data.evaluation.costs.candidate]
    )
    alone = costs["candidate"] == SINGLE
    for low, said in ((0.19, ", and take 2.0 times as long to answer a row. "), (0.11, ". One answer is ")):
        slower = costs.assign(latency_ms=costs["latency_ms"].where(~alone, 0.2), latency_high_ms=0.12)
        slower.loc[alone, ["latency_low_ms", "latency_high_ms"]] = [low, 0.3]
        page = without_scripts(render(replace(data, evaluation=replace(data.evaluation, costs=slower))))
        assert f"The 2 single-task networks have 2.0 times the parameters of the shared one{said}" in page


def test_the_page_says_how_often_test_was_opened(page: str) -> None:
    assert "opened 2 times" in page


def test_every_figure_has_its_data(page: str) -> None:
    wanted = re.findall(r'data-figure="([^"]+)"', page)
    given = json.loads(unpacked(page, "figures"))
    assert wanted
    assert sorted(wanted) == sorted(given)
    assert len(set(wanted)) == len(wanted)


@pytest.mark.parametrize(
    "data",
    [
        report_data({"a": 0.7}, {"a": 0.8}),
        report_data({"a": 0.7, "b": 0.6}, {}),
        report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}, seeds=1),
        made(trials=trials(1), space=SPACE),
        made(trials=trials(0), space=SPACE),
        made(trials=conditional(12), space=SPACE),
        made(left_out=("tune was left out because data.validation=0.",)),
    ],
    ids=["one task", "no baselines", "one seed", "one trial", "no trial", "a conditional space", "no tuning"],
)
def test_a_report_that_lacks_something_is_still_a_report(data: ReportData) -> None:
    page = without_scripts(render(data))
    assert "<h2>Candidates side by side</h2>" in page
    assert "nan" not in page.lower()
    for line in data.left_out:
        assert line in page


def test_no_figure_and_no_table_shows_what_is_not_a_number() -> None:
    page = without_scripts(render(report_data({"a": 0.7, "b": 0.6}, {"a": 0.8, "b": 0.6}, seeds=1)))
    assert "[nan" not in page
