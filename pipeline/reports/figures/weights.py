"""The weights that the search gave to the tasks."""

import pandas as pd

from pipeline.analysis.trials import WEIGHT
from pipeline.reports.figures.figure import Figure
from pipeline.reports.figures.style import MUTED, Panel, series, styled, text


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
            marker={"color": series(index), "line": {"width": 0}},
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
