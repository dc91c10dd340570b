"""What the tasks' answers rest on and how sure that is, in sentences."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from pipeline.reports.words import MOST, listed, some
from pipeline.studies.explain.attributions import METHODS
from pipeline.studies.explain.explanation import Explanation

_PLACES = (("upper left", "top", "upper right"), ("left", "middle", "right"), ("lower left", "bottom", "lower right"))
_EVEN = 0.18  # of nine places none has much more than a ninth
_NAMED = 3  # inputs of a task in a sentence
_MUCH, _PARTLY, _CHANCE = 0.7, 0.4, 0.25  # rank correlations
_BEYOND = 0.1  # of what shuffled weights bring about


def answer(found: Explanation, whose: str) -> str:
    """The answer, a first line and what it does not say.

    Args:
        found: What was found.
        whose: Networks were explained.
    """
    return "\n".join([f"{rests(found)} {sure(found)}", *details(found, whose)])


def rests(found: Explanation) -> str:
    """What each task's answer rests on, as somebody reads it who knows none of the words."""
    verb, of_what = "rests most ", " of what counts"
    said = []
    for task in list(found.rows)[:MOST]:
        on = _on(found, task)
        said.append(f"for {task} {verb}{on.format(of_what=of_what)}")
        verb, of_what = "", "" if "{of_what}" in on else of_what
    more = f"; {len(found.rows) - MOST} more tasks stand below" if len(found.rows) > MOST else ""
    return f"The answer {'; '.join(said)}{more}."


def sure(found: Explanation) -> str:
    """Whether another training would rest on the same, and whether it is learnt at all."""
    checks = found.checks[["another_seed", "randomised"]].mean()
    again, shuffled = checks["another_seed"], checks["randomised"]
    if again != again:
        said = "Whether another training would rest on the same is not known: there is no network of another seed"
    else:
        same = f"rests on {_same(again)} (rank correlation {again:.2f}, where 1 is the same)"
        said = f"A network trained with another seed {same}{'' if again >= _PARTLY else ', so do not build on it'}"
        low = found.checks.groupby("task", sort=False)["another_seed"].mean()
        if again >= _PARTLY and len(low := low[low < _PARTLY]):
            said += f", but hardly for {some([str(task) for task in low.index])}"
    if shuffled != shuffled:
        return f"{said}."
    if abs(shuffled) < _CHANCE:
        return f"{said}; one with shuffled weights rests on something else ({shuffled:.2f}), so this is learnt."
    return f"{said}; one with shuffled weights rests on it too ({shuffled:.2f}), so in part the inputs bring it about."


def details(found: Explanation, whose: str) -> list[str]:
    """What the first line does not say."""
    return [_alike(found.sharing), _explained(found, whose)]


def place_shares(pixels: np.ndarray) -> dict[str, float]:
    """How much of all that counts lies in each ninth of an image [H, W], the most first."""
    whole = pixels.sum() or 1.0
    thirds = [np.array_split(band, 3, axis=1) for band in np.array_split(pixels, 3, axis=0)]
    shares = {
        name: float(part.sum() / whole)
        for names, parts in zip(_PLACES, thirds, strict=True)
        for name, part in zip(names, parts, strict=True)
    }
    return dict(sorted(shares.items(), key=lambda it: -it[1]))


def _on(found: Explanation, task: str) -> str:
    """`on area (54 %{of_what}) and town (31 %)`."""
    if (own := found.importance[found.importance["task"] == task]).empty:
        words = found.words[found.words["task"] == task].groupby("word", sort=False)["strength"].mean()
        if words.empty:
            return "on no word that is frequent enough to be named"
        most = words.sort_values(ascending=False, kind="stable")[:_NAMED]
        return f"on the words {listed(_plain(f'“{word}”') for word in most.index)}"
    shares = own.groupby("input", sort=False)["share"].mean().sort_values(ascending=False, kind="stable")
    if shape := found.shapes[task]:
        order = shares[[str(place) for place in range(shape[0] * shape[1])]].to_numpy()
        place, share = next(iter(place_shares(order.reshape(shape)).items()))
        if share < _EVEN:
            return "on the whole image alike"
        return f"on the {place} of the image ({100 * share:.0f} %{{of_what}})"
    count = min(int(np.searchsorted(shares.cumsum(), 0.5)) + 1, _NAMED)
    return f"on {listed(_shown(shares[:count]))}"


def _shown(shares: pd.Series) -> Iterable[str]:
    for number, (name, share) in enumerate(shares.items()):
        yield f"{_plain(str(name))} ({100 * share:.0f} %{'' if number else '{of_what}'})"


def _plain(name: str) -> str:
    """A name that `str.format` leaves as it is."""
    return name.replace("{", "{{").replace("}", "}}")


def _same(level: float) -> str:
    return "much the same" if level >= _MUCH else "partly the same" if level >= _PARTLY else "something else"


def _alike(sharing: pd.DataFrame) -> str:
    """Whether the tasks look at the same, and whether they have learnt to."""
    rows = sharing.dropna(subset="means")
    if rows.empty:
        return "There are no two tasks with the same inputs."
    level, alone = rows["means"].mean(), rows["randomised"].mean()
    closest = rows.loc[rows["means"].idxmax()]
    pair = f", most {closest['task']} and {closest['against']}" if len(rows) > len(METHODS) else ""
    how = "different inputs" if level < _PARTLY else f"{_same(level)} inputs"
    said = f"Compared with one another the tasks rest on {how} (rank correlation {level:.2f}{pair})"
    if alone != alone:
        return f"{said}."
    if level < _PARTLY:
        return f"{said}; with shuffled weights it is {alone:.2f}."
    if level > alone + _BEYOND:
        return f"{said}, more so than with shuffled weights ({alone:.2f}): this they have learnt."
    return f"{said}, no more so than with shuffled weights ({alone:.2f}): the inputs bring that about."


def _explained(found: Explanation, whose: str) -> str:
    """Which networks on how many rows."""
    methods = listed(METHODS[it] for it in found.checks["method"].drop_duplicates())
    return f"Explained is {whose}, on rows of validation ({_counted(found.rows)}), by {methods}."


def _counted(rows: Mapping[str, int]) -> str:
    if len(set(rows.values())) == 1:
        return f"{next(iter(rows.values())):,}{' for each task' if len(rows) > 1 else ''}"
    shown = [f"{count:,} for {task}" for task, count in list(rows.items())[:MOST]]
    return ", ".join(shown) + (f", and {len(rows) - MOST} more tasks" if len(rows) > MOST else "")
