"""Figures of the search, from no trial at all to many."""

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from pipeline.reports.figures.search import history, importance, looks, parallel_coordinates, slices
from pipeline.reports.figures.style import Panel
from tests.analysis.made import by_plotly

FIGURES = (history, importance, parallel_coordinates, slices)


def studied(
    trials: int, value: Callable[[float], float] = lambda x: -((x - 0.3) ** 2), conditional: bool = False
) -> optuna.Study:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("model.trunk.dropout", 0.0, 0.7)
        optimizer = trial.suggest_categorical("training.<b>optimizer</b>", ["adam", "sgd"])
        if conditional and optimizer == "sgd":
            trial.suggest_float("training.momentum", 0.0, 0.9)
        trial.report(value(x), 1)
        if trial.number % 5 == 3:
            raise optuna.TrialPruned
        return value(x)

    study.optimize(objective, n_trials=trials)
    return study


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("trials", [0, 1])
def test_too_few_trials_give_a_sentence_or_a_figure_and_no_error(
    figure: Callable[[optuna.Study], list[Panel]], trials: int
) -> None:
    for panel in figure(studied(trials)):
        assert panel.figure is not None or panel.sentence.startswith("Too few trials")


@pytest.mark.parametrize("figure", FIGURES)
def test_many_trials_give_figures(figure: Callable[[optuna.Study], list[Panel]]) -> None:
    panels = figure(studied(12))
    assert panels
    assert all(panel.figure is not None for panel in panels)


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("trials", [2, 4, 6, 30])
def test_settings_that_some_trials_lack_are_drawn(figure: Callable[[optuna.Study], list[Panel]], trials: int) -> None:
    for panel in figure(studied(trials, conditional=True)):
        assert panel.figure is not None or panel.sentence.startswith("Too few trials")


def test_a_setting_that_some_trials_lack_has_its_importance_and_the_page_says_where_from() -> None:
    (panel,) = importance(studied(40, conditional=True))
    assert panel.figure is not None
    assert panel.sentence == "fANOVA knows only the settings that every trial searches."
    assert ["training.<br>momentum" in bars.y for bars in by_plotly(panel.figure).data] == [True, False]
    (panel,) = importance(studied(40))
    assert panel.sentence == ""


def test_importance_finds_the_setting_that_matters() -> None:
    (panel,) = importance(studied(40))
    assert panel.figure is not None
    for bars in by_plotly(panel.figure).data:
        values = dict(zip(bars.y, bars.x, strict=True))
        assert values["model.<br>trunk.<br>dropout"] > 0.6


def test_trials_that_are_all_alike_say_nothing_of_importance() -> None:
    (panel,) = importance(studied(12, value=lambda x: 0.5))
    assert panel.figure is None


def test_names_of_settings_are_shown_as_text() -> None:
    (panel,) = importance(studied(12))
    assert panel.figure is not None
    assert any("&lt;b&gt;optimizer" in name for name in by_plotly(panel.figure).data[0].y)


def test_pruned_trials_have_a_colour_of_their_own() -> None:
    curves = by_plotly(looks(studied(12))[0].figure)
    assert curves is not None
    shown = {trace.name for trace in curves.data if trace.showlegend}
    assert shown == {"completed", "pruned"}


def points(traces: Any) -> list[tuple[Any, ...]]:
    return sorted(
        (x, y)
        for trace in traces
        for x, y in zip(trace.x, trace.y, strict=True)
        if (trace.mode or "").startswith("lines") and y is not None
    )


@pytest.mark.parametrize("drawn", [looks, parallel_coordinates])
def test_many_trials_are_drawn_in_few_traces_that_hold_every_point(drawn: Any) -> None:
    study = studied(200)
    original = {looks: optuna.visualization.plot_intermediate_values,
                parallel_coordinates: optuna.visualization.plot_parallel_coordinate}[drawn](study)  # fmt: skip
    traces = by_plotly(drawn(study)[0].figure).data
    assert len(traces) <= 33 < len(original.data)
    assert points(traces) == points(original.data)
    for trace in traces:
        gaps = [place for place, y in enumerate(trace.y) if y is None]
        about = trace.text if drawn is looks else trace.customdata
        assert len(about) == len(trace.y)
        assert all(about[place] is None for place in gaps)


def test_few_looks_are_counted_in_whole_numbers() -> None:
    assert by_plotly(looks(studied(12))[0].figure).layout.xaxis.dtick == 1
    assert by_plotly(history(studied(12))[0].figure).layout.xaxis.dtick == 1
    assert by_plotly(history(studied(30))[0].figure).layout.xaxis.dtick is None


def test_labels_of_a_logarithmic_axis_keep_apart() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("training.learning_rate", 1e-3, 2e-2, log=True), n_trials=20)
    (panel,) = slices(study)
    assert panel.figure is not None
    axis = by_plotly(panel.figure).layout.xaxis
    assert (axis.type, axis.dtick) == ("log", "D2")


def test_below_thirty_completed_trials_importance_is_called_a_guess() -> None:
    (panel,) = importance(studied(36))  # of which 7 are pruned
    assert panel.sentence == "Only 29 trials were completed: with fewer than 30, importance is a rough guess."
    (panel,) = importance(studied(38))
    assert panel.sentence == ""


def weighted(tasks: int, trials: int = 60) -> optuna.Study:
    """Weights that sum to the number of tasks, of which the first alone matters, and a rate that does not."""
    study, draws = optuna.create_study(direction="maximize"), np.random.default_rng(0)
    kinds = {f"balancing.weights.{task}": FloatDistribution(0.0, tasks) for task in range(tasks)}
    for weights in tasks * draws.dirichlet(np.ones(tasks), trials):
        params = dict(zip(kinds, weights.tolist(), strict=True)) | {"training.learning_rate": draws.random()}
        kinds["training.learning_rate"] = FloatDistribution(0.0, 1.0)
        study.add_trial(create_trial(value=-abs(weights[0] - 0.5), params=params, distributions=kinds))
        del kinds["training.learning_rate"]
    return study


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_the_weights_of_all_tasks_are_one_setting_of_importance(tasks: int) -> None:
    (panel,) = importance(weighted(tasks))
    bars = by_plotly(panel.figure).data
    assert len(bars) == 2
    for one in bars:
        values = dict(zip(one.y, one.x, strict=True))
        assert set(values) == {"balancing.<br>weights", "training.<br>learning_rate"}
        assert sum(values.values()) == pytest.approx(1.0)
        assert values["balancing.<br>weights"] > 0.8
        assert list(one.x) == sorted(one.x)  # the most important is above
