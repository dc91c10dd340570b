"""The page of `headway explain`."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from pipeline.reports.cells import reproduced
from pipeline.reports.page import Head, Page
from pipeline.reports.parts import Cell, Panels, Paragraph, Part, Row, Table, Tinted
from pipeline.studies.explain.answer import details, rests, sure
from pipeline.studies.explain.attributions import METHODS
from pipeline.studies.explain.explanation import Example, Explanation, Told
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
_SHOWN = (
    "Of the rows that were drawn the first, half of them such where a task is wrong, as far as there are any: so they "
    "say nothing of how often it is."
)
_PIXELS = (
    f"{_SHOWN} Blue speaks for what is predicted, or for a larger number; red with a minus speaks against it; the "
    "strongest of a map has full colour. Of several labels at once it is how much counts for them, whatever the sign."
)
_TOKENS = (
    f"{_SHOWN} The darker a word or column, the more it counts, bold from half of the strongest of its row: blue for "
    "what is predicted, or for a larger number; red and underlined against it."
)
_SPELLING = (
    "Words are in small letters, digits are 0; of a word that train has too rarely the first and the last letters are "
    "shown."
)
_NO_FACTS: Mapping[str, str] = MappingProxyType({})
_COLUMNS = 8  # of a row that are shown
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


def explanation_page(
    name: str, candidate: str, found: Explanation, commands: Sequence[str] = (), facts: Mapping[str, str] = _NO_FACTS
) -> str:
    """One HTML document: what the tasks look at, how far it is the same, and whether it is learnt.

    Args:
        name: Of the experiment.
        candidate: Whose networks were explained, in words.
        found: What was found.
        commands: That explain them again, a line each.
        facts: Short facts by name: commit, versions, hardware.
    """
    page = Page()
    panels = Panels([*importance_panels(found), *word_panels(found.words)])
    about = [Paragraph(_INPUTS), *([Paragraph(_TEXTS)] if len(found.words) else [])]
    page.section("inputs", "What the tasks look at", *about, panels)
    page.section("examples", "Examples", *_images(found.examples), *_rows(found.examples))
    if len(found.sharing):
        body = Panels(sharing_panels(found.sharing))
        page.section("sharing", "Do they look at the same?", Paragraph(_SHARING), body, _sharing(found.sharing))
    page.section("checks", "Is it learnt?", Paragraph(_CHECKS), _checks(found.checks))
    page.section("reproduce", "How to reproduce", *reproduced(commands, facts))
    head = Head(rests(found), sure(found), "Explanation", name, details(found, candidate))
    return page.document(f"Headway: {name} explained", head)


def _images(examples: Iterable[Example]) -> list[Part]:
    panels = example_panels(examples)
    return [Paragraph(_PIXELS), Panels(panels)] if panels else []


def _rows(examples: Iterable[Example]) -> list[Part]:
    """The texts and rows of each source, each once a task with its answer, tinted by how much its parts count."""
    rows: dict[tuple[str, bool], list[Row]] = {}
    for it in examples:
        if it.image is None:
            for task, counts in it.maps.items():
                row: Row = [task, *_answered(it.told.get(task)), _tinted(it, counts)]
                rows.setdefault((it.source, it.is_text), []).append(row)
    headers = ["task", "true", "predicted"]
    tables = [
        Table([*headers, "text" if text else "columns"], own, f"{source}, {'texts' if text else 'rows'} of validation")
        for (source, text), own in rows.items()
    ]
    if not tables:
        return []
    return [Paragraph(_TOKENS), *([Paragraph(_SPELLING)] if any(text for _, text in rows) else []), *tables]


def _answered(told: Told | None) -> tuple[str | Cell, str | Cell]:
    if told is None:
        return "", ""
    return told.truth, Cell(told.predicted, ("wrong",), strong=True) if told.wrong else told.predicted


def _tinted(it: Example, counts: np.ndarray) -> Tinted:
    """The tokens of a text; of a table the columns that count most, the strongest first."""
    shares = counts / (np.abs(counts).max() or 1.0)
    order = range(len(shares)) if it.is_text else np.argsort(-np.abs(shares), kind="stable")[:_COLUMNS].tolist()
    return Tinted([(it.tokens[place], float(shares[place])) for place in order])


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
