"""The page of `headway explain`."""

from html import escape

import numpy as np
import pandas as pd

from pipeline.analysis.attributions import METHODS
from pipeline.analysis.explanation import Explanation
from pipeline.analysis.figures.attributions import example_panels, importance_panels, sharing_panels
from pipeline.analysis.report.page import Page, paragraph, table

_INPUTS = (
    "How much each input counts for the predicted class, the number or each label, whatever the sign, on average over "
    "rows of the validation split. Integrated gradients (Sundararajan et al. 2017) follow the way from an empty row to "
    "the real one, where nothing is drawn, each number is at its mean and each category unknown. Occlusion (Zeiler and "
    "Fergus 2014) empties a window of an image or a column at a time."
)
_SHARING = (
    "Spearman's rank correlation of how much each input counts for one task and for another: 1 where both look at the "
    "same inputs, 0 where one says nothing of the other."
)
_CHECKS = (
    "Attributions that do not change when the weights are randomised tell of the inputs and not of the network "
    "(Adebayo et al. 2018). Mean rank correlation of a row's attributions, with their sign, with those of the network "
    "trained with another seed, and of the same network with its weights shuffled, which has to be near 0."
)


def explained_page(name: str, candidate: str, found: Explanation) -> str:
    """One HTML document: what the tasks look at, how far it is the same, and whether it is learnt.

    Args:
        name: Of the experiment.
        candidate: Whose network was explained.
        found: What was found.
    """
    page = Page()
    page.section("inputs", "What the tasks look at", paragraph(_INPUTS), page.panels(importance_panels(found)))
    page.section("examples", "Single images", page.panels(example_panels(found.examples)))
    if len(found.sharing):
        body = page.panels(sharing_panels(found.sharing))
        page.section("sharing", "Do they look at the same?", paragraph(_SHARING), body, _sharing(found.sharing))
    page.section("checks", "Is it learnt?", paragraph(_CHECKS), _checks(found.checks))
    about = f'<p class="about">Experiment <strong>{escape(name)}</strong>, candidate {escape(candidate)}</p>'
    return page.document(f"Headway: {name} explained", f"<h1>{escape(said(found))}</h1>{about}")


def said(found: Explanation) -> str:
    """The page's first line."""
    rows, checks = found.sharing.dropna(subset="means"), found.checks[["another_seed", "randomised"]].mean()
    tasks = "There are no two tasks with the same inputs."
    if len(rows):
        level, alone = rows["means"].mean(), rows["randomised"].mean()
        closest = rows.loc[rows["means"].idxmax()]
        pair = f", most {closest['task']} and {closest['against']}" if len(rows) > len(METHODS) else ""
        tasks = f"Rank correlation of what the tasks look at: {level:.2f}{pair} ({alone:.2f} with randomised weights)."
    others = {"another_seed": "another seed's", "randomised": "randomised weights'"}
    agree = " and ".join(f"{checks[it]:.2f} with {whose}" for it, whose in others.items() if checks[it] == checks[it])
    return f"{tasks} Attributions agree {agree}." if agree else tasks


def _sharing(rows: pd.DataFrame) -> str:
    cells = [
        [
            escape(f"{it['task']}, {it['against']}"), METHODS[it["method"]],
            *(_number(it[column]) for column in ("means", "rows", "randomised")),
        ]
        for it in rows.to_dict("records")
    ]  # fmt: skip
    headers = ["tasks", "method", "of the averages", "mean over rows", "of the averages, randomised weights"]
    return table(headers, cells)


def _checks(rows: pd.DataFrame) -> str:
    cells = [
        [escape(it["task"]), METHODS[it["method"]], _number(it["another_seed"]), _number(it["randomised"])]
        for it in rows.to_dict("records")
    ]
    return table(["task", "method", "another seed", "randomised weights"], cells)


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""
