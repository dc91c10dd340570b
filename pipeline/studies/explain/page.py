"""The page of `headway explain`."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from pipeline.reports.page import Head, Page
from pipeline.reports.parts import Panels, Paragraph, Part, Row, Table, Tinted
from pipeline.studies.explain.attributions import METHODS
from pipeline.studies.explain.explanation import Example, Explanation
from pipeline.studies.explain.figures import example_panels, importance_panels, sharing_panels, word_panels

_INPUTS = (
    "How much each input counts for the predicted class, the number or each label, whatever the sign, on average over "
    "rows of the validation split. Integrated gradients (Sundararajan et al. 2017) follow the way from an empty row to "
    "the real one, where nothing is drawn, each number is at its mean and each category unknown; a text has as many "
    "tokens there, and nothing is known of them. Occlusion (Zeiler and Fergus 2014) empties a window of an image, a "
    "column or a token at a time."
)
_TEXTS = (
    "Of texts, the words are shown that occur often enough, and how much one occurrence of them counts. Where tokens "
    "are tagged, the tags of all that are predicted to be of an entity are explained together, and rows without any "
    "are left out."
)
_TOKENS = (
    "The darker a token, the more it counts; the darkest counts most in its row. Words are in small letters, digits "
    "are 0; of a word that train has too rarely the first and the last letters are shown."
)
_SHARING = (
    "Spearman's rank correlation of how much each input counts for one task and for another: 1 where both look at the "
    "same inputs, 0 where one says nothing of the other. Texts are compared token by token in each row, and on average "
    "by how much an occurrence of each word counts; so are those of different sources."
)
_CHECKS = (
    "Attributions that do not change when the weights are randomised tell of the inputs and not of the network "
    "(Adebayo et al. 2018). Mean rank correlation of a row's attributions, with their sign, with those of the network "
    "trained with another seed, and of the same network with its weights shuffled, which has to be near 0."
)


def explanation_page(name: str, candidate: str, found: Explanation) -> str:
    """One HTML document: what the tasks look at, how far it is the same, and whether it is learnt.

    Args:
        name: Of the experiment.
        candidate: Whose network was explained.
        found: What was found.
    """
    page = Page()
    panels = Panels([*importance_panels(found), *word_panels(found.words)])
    about = [Paragraph(_INPUTS), *([Paragraph(_TEXTS)] if len(found.words) else [])]
    page.section("inputs", "What the tasks look at", *about, panels)
    page.section("examples", "Examples", Panels(example_panels(found.examples)), *_texts(found.examples))
    if len(found.sharing):
        body = Panels(sharing_panels(found.sharing))
        page.section("sharing", "Do they look at the same?", Paragraph(_SHARING), body, _sharing(found.sharing))
    page.section("checks", "Is it learnt?", Paragraph(_CHECKS), _checks(found.checks))
    head = Head(answer(found), "", "Explanation", name, whose=f"candidate {candidate}")
    return page.document(f"Headway: {name} explained", head)


def answer(found: Explanation) -> str:
    """The page's first line."""
    rows, checks = found.sharing.dropna(subset="means"), found.checks[["another_seed", "randomised"]].mean()
    tasks = "There are no two tasks with the same inputs."
    if len(rows):
        level, alone = rows["means"].mean(), rows["randomised"].mean()
        closest = rows.loc[rows["means"].idxmax()]
        pair = f", most {closest['task']} and {closest['against']}" if len(rows) > len(METHODS) else ""
        beside = f" ({alone:.2f} with randomised weights)" if alone == alone else ""
        tasks = f"Rank correlation of what the tasks look at: {level:.2f}{pair}{beside}."
    others = {"another_seed": "another seed's", "randomised": "randomised weights'"}
    agree = " and ".join(f"{checks[it]:.2f} with {whose}" for it, whose in others.items() if checks[it] == checks[it])
    return f"{tasks} Attributions agree {agree}." if agree else tasks


def _texts(examples: Iterable[Example]) -> list[Part]:
    """The texts of each source, each once a task, tinted by how much its tokens count."""
    rows: dict[str, list[Row]] = {}
    for it in examples:
        if it.image is None:
            own: list[Row] = [[task, _tinted(it.tokens, counts)] for task, counts in it.maps.items()]
            rows.setdefault(it.source, []).extend(own)
    tables = [Table(["task", "text"], own, f"{source}, texts of validation") for source, own in rows.items()]
    return [Paragraph(_TOKENS), *tables] if tables else []


def _tinted(tokens: list[str], counts: np.ndarray) -> Tinted:
    return Tinted(list(zip(tokens, (counts / (counts.max() or 1.0)).tolist(), strict=True)))


def _sharing(rows: pd.DataFrame) -> Table:
    cells = [
        [
            f"{it['task']}, {it['against']}", METHODS[it["method"]],
            *(_number(it[column]) for column in ("means", "rows", "randomised")),
        ]
        for it in rows.to_dict("records")
    ]  # fmt: skip
    headers = ["tasks", "method", "of the averages", "mean over rows", "of the averages, randomised weights"]
    return Table(headers, cells)


def _checks(rows: pd.DataFrame) -> Table:
    cells = [
        [it["task"], METHODS[it["method"]], _number(it["another_seed"]), _number(it["randomised"])]
        for it in rows.to_dict("records")
    ]
    return Table(["task", "method", "another seed", "randomised weights"], cells)


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""
