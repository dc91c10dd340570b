"""What a result holds: frames, figures, and how a notebook shows it."""

from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

import headway
from pipeline.analysis.evaluation import Evaluation


def test_its_text_is_the_first_line_of_the_report(done: headway.Result) -> None:
    assert str(done) == done.answer
    assert done.report is not None
    assert done.answer in done.report.read_text()
    assert done.decision in {"helps", "hurts", "mixed", "no_difference", "unknown", "no_claim"}
    assert done.model == "models:/debug@champion"
    assert done.run_id in done.page


def test_its_tables_are_those_of_the_evaluation(done: headway.Result) -> None:
    evaluation = Evaluation.load(done.done["evaluate"].folder)
    assert done.metrics.equals(evaluation.scores)
    assert done.differences.equals(evaluation.differences)
    assert done.delta_m.equals(evaluation.delta_m)
    assert {"candidates", "costs", "seeds"} <= done.tables.keys()


def test_its_trials_and_curves_are_those_of_all_steps(done: headway.Result) -> None:
    assert done.trials["study"].drop_duplicates().tolist() == ["tune", "tune single digit", "tune single parity"]
    assert (done.trials.groupby("study").size() == 2).all()
    assert {*done.history["candidate"]} == {"default", "tuned", "single digit", "single parity"}
    own = pd.read_parquet(done.done["train default"].folder / "history.parquet")
    assert done.history[done.history["candidate"] == "default"][own.columns].reset_index(drop=True).equals(own)


def test_its_figures_are_those_of_the_report(done: headway.Result) -> None:
    figures = done.figures
    assert all(isinstance(figure, go.Figure) for figure in figures.values())
    curves = figures["curves: digit: validation accuracy"]
    assert len(curves.data) > 0
    assert done.report is not None
    assert curves.layout.yaxis.automargin  # no script measures its labels
    assert len(figures) == done.report.read_text().count("data-figure=")


def test_a_notebook_shows_answer_and_metrics(done: headway.Result) -> None:
    shown = done._repr_html_()
    assert done.answer in shown
    assert "digit: accuracy" in shown
    assert "single-task" in shown
    assert "<script" not in shown


def test_what_a_command_does_not_find_is_said(here: Path) -> None:
    prepared = headway.Experiment.load("debug").prepare(quiet=True)
    assert prepared._repr_html_().startswith("<p><b>prepare of debug is done")
    for name, said in {
        "metrics": "does not open the test split",
        "trials": "prepare of debug runs no study",
        "history": "prepare of debug trains no network",
        "figures": "prepare writes no report",
    }.items():
        with pytest.raises(headway.UserError, match=said):
            getattr(prepared, name)
