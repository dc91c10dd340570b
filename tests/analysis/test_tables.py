"""Tables are read back as they were written."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.analysis import tables
from pipeline.analysis.statistics.intervals import holm
from tests.analysis.made import drawn


def test_a_table_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    table = tables.scores_table({"default": {"a": drawn(0.7), "b": drawn(1 / 3)}})
    tables.write(table, tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(tables.read(tmp_path / "scores.csv"), table, check_dtype=False, check_exact=True)


def test_texts_stay_texts_even_where_they_look_like_numbers_or_nothing(tmp_path: Path) -> None:
    table = pd.DataFrame({"task": ["1"], "true": ["007"], "answered": ["None"], "note": [""], "mean": [np.nan]})
    tables.write(table, tmp_path / "texts.csv")
    found = tables.read(tmp_path / "texts.csv").iloc[0]
    assert (found["task"], found["true"], found["answered"], found["note"]) == ("1", "007", "None", "")
    assert np.isnan(found["mean"])


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    table = tables.gaps_table({})
    tables.write(table, tmp_path / "gaps.csv")
    assert list(tables.read(tmp_path / "gaps.csv").columns) == list(table.columns)


def test_a_page_escapes_what_it_shows(tmp_path: Path) -> None:
    tables.write_html(pd.DataFrame({"true": ["<b>x</b>"]}), tmp_path / "page.html", "a & b")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;x" in page
    assert "<title>a &amp; b</title>" in page


def test_a_lower_loss_is_better() -> None:
    low, high = drawn(0.7), drawn(0.7)
    low.metrics["nll"], high.metrics["nll"] = np.linspace(0.20, 0.22, 5), np.linspace(0.42, 0.40, 5)
    table = tables.differences_table({"one": {"a": low}, "other": {"a": high}}, [("one", "other")])
    assert table.set_index("metric").loc["nll", "verdict"] == "better"


def test_delta_m_of_a_tuned_candidate_is_marked() -> None:
    scores = {name: {"a": drawn(0.7)} for name in ("default", "single-task", "tuned")}
    table = tables.delta_m_table(scores, [(name, "single-task") for name in scores], ["tuned"]).set_index("candidate")
    assert table["note"].to_dict() == {"default": "", "tuned": tables.TUNED_AGAINST_UNTUNED}


def test_delta_m_against_tuned_baselines_is_marked() -> None:
    scores = {name: {"a": drawn(0.7)} for name in ("default", "single-task", "tuned")}
    pairs = [(name, "single-task") for name in scores]
    table = tables.delta_m_table(scores, pairs, ["tuned", "single-task"]).set_index("candidate")
    assert table["note"].to_dict() == {"default": tables.AGAINST_TUNED, "tuned": ""}


def test_p_values_are_corrected_for_the_number_of_tasks() -> None:
    scores = {
        name: {task: drawn(0.7, seed=seed + place) for place, task in enumerate("abc")}
        for seed, name in ((0, "one"), (10, "other"))
    }
    table = tables.primary(tables.differences_table(scores, [("one", "other")]))
    np.testing.assert_allclose(table["p_holm"], holm(table["p"].to_numpy()))
    assert (table["p_holm"] > table["p"]).any()


def test_candidates_are_held_against_the_constant_prediction_in_the_metric_that_decides() -> None:
    networks = {"good": {"a": drawn(0.9), "b": drawn(0.9)}, "bad": {"a": drawn(0.5, seed=1)}}
    constant = {"constant": {"a": drawn(0.5, seeds=1, seed=2)}}
    table = tables.constant_differences_table(networks, constant).set_index("candidate")
    assert table["task"].to_dict() == {"good": "a", "bad": "a"}
    assert (table["against"] == "constant").all()
    assert table.loc["good", "low"] > 0.0 > table.loc["bad", "low"]
    assert (table["knows"] == "rows and trainings").all()
    assert tables.constant_differences_table(networks, {}).empty


def test_without_baselines_there_is_no_delta_m() -> None:
    assert tables.delta_m_table({"default": {"a": drawn(0.7)}}, [("default", "single-task")], []).empty
