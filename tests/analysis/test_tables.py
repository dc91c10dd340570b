"""Tables are read back as they were written."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.analysis import tables
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
    low.metrics["nll"], high.metrics["nll"] = np.full(5, 0.2), np.full(5, 0.4)
    table = tables.differences_table({"one": {"a": low}, "other": {"a": high}}, [("one", "other")])
    assert table.set_index("metric").loc["nll", "verdict"] == "better"


def test_delta_m_of_a_tuned_candidate_is_marked() -> None:
    scores = {name: {"a": drawn(0.7)} for name in ("default", "single-task", "tuned")}
    table = tables.delta_m_table(scores, [(name, "single-task") for name in scores], ["tuned"]).set_index("candidate")
    assert table["note"].to_dict() == {"default": "", "tuned": tables.TUNED_AGAINST_UNTUNED}


def test_without_baselines_there_is_no_delta_m() -> None:
    assert tables.delta_m_table({"default": {"a": drawn(0.7)}}, [("default", "single-task")], []).empty
