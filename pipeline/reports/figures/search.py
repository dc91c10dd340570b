"""The search: Optuna's own figures in the page's look, and the weights that it gave to the tasks."""

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.analysis.trials import WEIGHT, weights_as_one
from pipeline.reports.figures.figure import Figure, Props, joined
from pipeline.reports.figures.style import BAD, BLUE, GOOD, MUTED, Panel, bar, see_through, series, styled, text

if TYPE_CHECKING:
    from optuna import Study
    from optuna.importance import BaseImportanceEvaluator
    from optuna.trial import FrozenTrial

OBJECTIVE = "objective"

_SCALE = ["#a3a8ad", "#3f8fd2", "#1fa37a"]
_SHADES = 16  # of a scale of colours: more are not told apart

_MARKED = 10  # looks of a trial up to which each has a marker

_LAYERS = 16
"""Traces that the curves of trials are drawn in: see-through ones show through others of another trace only."""

FEWEST = 10
"""Completed trials below which importance says nothing."""

ENOUGH = 30
"""Completed trials below which it is a rough guess."""

MOST = 200
"""Completed trials up to which fANOVA is computed: its forests take 16 seconds at 500."""


def history(study: "Study") -> list[Panel]:
    """Every trial's objective and the best so far."""
    plots = _plots()
    if not _values(study):
        return [_too_few("Optimisation history", study)]
    drawn = styled(Figure.of(plots.plot_optimization_history(study, target_name=OBJECTIVE)), 340, "trial", OBJECTIVE)
    drawn.update_traces(_of_mode("markers"), marker={"color": BLUE, "size": 7}, line={"color": GOOD})
    drawn.update_traces(_of_mode("lines"), name="best so far", line={"color": GOOD, "shape": "hv"})
    return [Panel("Objective of each trial", drawn)]


def looks(study: "Study") -> list[Panel]:
    """How far each trial came."""
    if not _values(study) or not any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
        return []
    curves = styled(Figure.of(_plots().plot_intermediate_values(study)), 340, "look at validation", OBJECTIVE)
    return [Panel("Objective by look", _by_state(curves, study))]


def _by_state(curves: Figure, study: "Study") -> Figure:
    """Colour each trial's curve by how the trial ended; one legend entry a colour."""
    from optuna.trial import TrialState

    states = {f"Trial{trial.number}": trial.state for trial in study.get_trials(deepcopy=False)}
    of_kind: dict[str, list[Props]] = {"completed": [], "pruned": []}
    mode = "lines" if max(len(curve["x"]) for curve in curves.data) > _MARKED else "lines+markers"
    for curve in curves.data:
        kind = "completed" if states.get(curve["name"]) == TrialState.COMPLETE else "pruned"
        ink = see_through(BLUE, 0.4) if kind == "completed" else BAD
        curve["line"] = curve.get("line", {}) | {"color": ink, "width": 1.2}
        curve |= {"mode": mode, "marker": {"color": ink, "size": 3}}
        curve |= {"text": curve["name"], "name": kind, "legendgroup": kind, "hovertemplate": "%{text}: %{y:.4f}"}
        of_kind[kind].append(curve)
    curves.data = [
        joined(all_[layer::_LAYERS]) | {"showlegend": layer == 0}
        for all_ in of_kind.values()
        for layer in range(min(_LAYERS, len(all_)))
    ]
    return curves


def importance(study: "Study") -> list[Panel]:
    """How much each searched setting matters: PED-ANOVA (Watanabe et al. 2023) and fANOVA (Hutter et al. 2014).

    What some trials do not search PED-ANOVA weighs by how often it is searched; fANOVA leaves it out. The weights of
    all tasks are one setting.
    """
    done = len(_values(study))
    if done < FEWEST or len(set(_values(study))) < 2 or not _params(study):
        return [_too_few("Importance", study)]
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    ways: dict[str, BaseImportanceEvaluator] = {
        "PED-ANOVA: reaching the best quarter": PedAnovaImportanceEvaluator(target_quantile=0.25)
    }
    few, asked = done <= MOST, weights_as_one(study)
    if few:
        ways["fANOVA: share of the variance"] = FanovaImportanceEvaluator(seed=0)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Some regimes for parameter"
        )  # a setting searched in one trial, or in all but one
        found = {way: it for way, evaluator in ways.items() if (it := _weighed(asked, evaluator))}
    if not found:
        return [_too_few("Importance", study)]
    figure = Figure()
    for index, (way, values) in enumerate(found.items()):
        figure.add_bar(
            x=list(values.values())[::-1],
            y=[text(name).replace(".", ".<br>") for name in values][::-1],
            orientation="h",
            name=way,
            marker=bar(series(index), index),
            hovertemplate="%{x:.2f}<extra>%{y}</extra>",
        )
    everywhere, anywhere = min(map(len, found.values())), max(map(len, found.values()))
    drawn = styled(figure, 130 + 48 * anywhere, "importance")
    guess = f"Only {done} trials were completed: with fewer than {ENOUGH}, importance is a rough guess."
    said = [
        guess if done < ENOUGH else "",
        f"fANOVA is left out beyond {MOST} trials, where it takes long." if not few else "",
        "fANOVA knows only the settings that every trial searches." if everywhere < anywhere else "",
    ]
    note = " ".join(filter(None, said))
    return [Panel("Importance of the searched settings", drawn, note, wide=True)]


def _weighed(study: "Study", evaluator: "BaseImportanceEvaluator") -> dict[str, float]:
    """The importance of each setting; empty where all trees of a forest see trials of one value."""
    from optuna.importance import get_param_importances

    try:
        found = get_param_importances(study, evaluator=evaluator)
    except RuntimeError:
        return {}
    summed: dict[str, float] = {}
    for name, it in found.items():
        one = WEIGHT.rstrip(".") if name.startswith(WEIGHT) else name
        summed[one] = summed.get(one, 0.0) + it
    return dict(sorted(summed.items(), key=lambda it: -it[1]))


def parallel_coordinates(study: "Study") -> list[Panel]:
    """Every completed trial as a line through its settings."""
    from plotly.colors import sample_colorscale

    if len(_values(study)) < 2 or not _params(study):
        return [_too_few("Parallel coordinates", study)]
    figure = styled(Figure.of(_plots().plot_parallel_coordinate(study, target_name=OBJECTIVE)), 440)
    of_shade: dict[int, list[Props]] = {}
    for line in filter(_of_mode("lines"), figure.data):
        of_shade.setdefault(round(line["y"][0] * _SHADES), []).append(line)  # the objective's place on its axis, 0 to 1
    # Optuna's darkest blue would vanish on a dark page, and its scale is what the first axis gives too.
    figure.data = [joined(lines) for _, lines in sorted(of_shade.items())]
    for shade, line in zip(sorted(of_shade), figure.data, strict=True):
        place = shade / _SHADES
        line["line"] = line.get("line", {}) | {"color": sample_colorscale(_SCALE, place)[0]}
        line["opacity"] = 0.3 + 0.6 * place
    figure.update_layout(margin={"l": 44})
    for note in figure.layout.get("annotations", []):
        note["font"] = {"size": 10}
    names = [OBJECTIVE, *_params(study)]  # Optuna shortens them, to the same words
    figure.update_xaxes(ticktext=[text(name).replace(".", ".<br>") for name in names], tickfont={"size": 11})
    return [Panel("Parallel coordinates: each line is a trial, the better the greener", figure, wide=True)]


def slices(study: "Study") -> list[Panel]:
    """Objective against each setting on its own."""
    if len(_values(study)) < 2:
        return [_too_few("Slices", study)]
    plot = _plots().plot_slice
    drawn = {name: Figure.of(plot(study, params=[name], target_name=OBJECTIVE)) for name in _params(study)}
    return [Panel(name, _slice(figure)) for name, figure in drawn.items()]


def _slice(figure: Figure) -> Figure:
    marker = {"color": BLUE, "size": 8, "opacity": 0.7, "line": {"width": 0}, "showscale": False}
    if (figure.layout.get("xaxis") or {}).get("type") == "log":
        values = [float(it) for trace in figure.data for it in trace["x"]]
        if values and 5 < max(values) / min(values) < 300:
            figure.update_xaxes(dtick="D2")  # labels at 1, 2 and 5: plotly.js would write 9 over 10
    return styled(figure.update_traces(marker=marker), 280, "", OBJECTIVE, legend=False)


def weights_over_trials(trials: pd.DataFrame) -> list[Panel]:
    """Each task's weight in every trial; the best trial is marked."""
    tasks = [name.removeprefix(WEIGHT) for name in trials.columns if name.startswith(WEIGHT)]
    if not tasks:
        return [Panel("Task weights", sentence="The search did not move the weights of the tasks.")]
    complete = trials[trials["state"] == "COMPLETE"]
    best = complete.loc[complete["value"].idxmax()] if len(complete) else None
    figure = Figure()
    for index, task in enumerate(tasks):
        figure.add_bar(
            x=trials["number"],
            y=trials[WEIGHT + task],
            name=text(task),
            marker=bar(series(index), index),
        )
    figure.update_layout(barmode="stack", bargap=0.15)
    if best is not None:
        figure.add_annotation(
            x=best["number"],
            y=sum(best[WEIGHT + task] for task in tasks if pd.notna(best[WEIGHT + task])),
            text="best",
            showarrow=True,
            arrowhead=2,
            arrowcolor=MUTED,
            ay=-22,
        )
    return [Panel("Weights of the tasks in each trial", styled(figure, 300, "trial", "weight"), wide=True)]


def _of_mode(mode: str) -> Callable[[dict[str, Any]], bool]:
    return lambda trace: trace.get("mode") == mode


def _plots() -> Any:
    """Optuna's figures by Plotly; its module would import those by matplotlib too, which takes half a second."""
    hidden = sys.modules.setdefault("matplotlib", None) is None  # type: ignore[arg-type]
    try:
        return import_module("optuna.visualization")
    finally:
        if hidden:
            del sys.modules["matplotlib"]


def _params(study: "Study") -> list[str]:
    """The searched settings that a completed trial has, sorted as Optuna sorts them."""
    return sorted({name for trial in _completed(study) for name in trial.params})


def _values(study: "Study") -> list[float]:
    return [trial.value for trial in _completed(study) if trial.value is not None]


def _completed(study: "Study") -> "list[FrozenTrial]":
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _too_few(caption: str, study: "Study") -> Panel:
    done = len(_values(study))
    return Panel(caption, sentence=f"Too few trials for this figure: {done} completed of {len(study.trials)}.")
