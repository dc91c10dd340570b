"""The first line of a comparison: does sharing help, which method, and is the difference more than noise?"""

from collections.abc import Iterable

import pandas as pd

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.comparison import ALL
from pipeline.analysis.report.verdict import bounds
from pipeline.config.comparing import EQUAL, TUNED

_WEIGHTS = {EQUAL: "equal weights", TUNED: "tuned weights"}


def decision(contrasts: pd.DataFrame) -> str:
    """One sentence.

    Args:
        contrasts: See `pipeline.analysis.comparison.contrasts`; of a reference that is missing there are no rows.
    """
    return f"{_sharing(together(contrasts, SINGLE))}; {_method(contrasts)}."


def together(contrasts: pd.DataFrame, against: str) -> list[dict]:
    """The tests of all tasks together against a reference, the best arm first."""
    rows = contrasts[(contrasts["task"] == ALL) & (contrasts["against"] == against)]
    found: list[dict] = rows.sort_values("mean", ascending=False, kind="stable").to_dict("records")
    return found


def shown(row: dict) -> str:
    """`+0.41 % [+0.20, +0.62], p = 0.004`."""
    return f"{row['mean']:+.2f} % {bounds(row)}, {shown_p(row['p_holm'])}"


def shown_p(p: float) -> str:
    """`p = 0.004`, corrected."""
    if p != p:
        return "p unknown"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def called(arm: str) -> str:
    """An arm in a sentence."""
    return _WEIGHTS.get(arm, arm)


def listed(words: Iterable[str], last: str = "and") -> str:
    """`a, b and c`."""
    *most, end = words
    return f"{', '.join(most)} {last} {end}" if most else end


def _sharing(rows: list[dict]) -> str:
    if not rows:
        return "Whether sharing helps here is not known, since a single-task network could not be trained"
    better = [row for row in rows if row["verdict"] == "better"]
    if better:
        first, *others = better
        also = f", as with {listed(called(row['candidate']) for row in others)}" if others else ""
        return (
            f"Sharing helps here by more than noise with {called(first['candidate'])} "
            f"({shown(first)}, against single-task networks tuned alike){also}"
        )
    best = rows[0]
    if best["verdict"] == "worse":
        return (
            f"Sharing hurts here by more than noise: single-task networks tuned alike are better than every arm, the "
            f"best of which is {called(best['candidate'])} ({shown(best)})"
        )
    return (
        f"It is unclear whether sharing helps here: the best arm, {called(best['candidate'])}, differs from "
        f"single-task networks tuned alike by no more than noise ({shown(best)})"
    )


def _method(contrasts: pd.DataFrame) -> str:
    """Whether any way to choose the weights beats equal and tuned ones."""
    found = {it: {row["candidate"]: row for row in together(contrasts, it)} for it in (EQUAL, TUNED)}
    held = [it for it, rows in found.items() if rows]
    if not held:
        return "there is nothing to hold the methods against"
    beaten = {it: {arm for arm, row in found[it].items() if row["verdict"] == "better"} for it in held}
    methods = [arm for arm in found[held[0]] if arm not in _WEIGHTS]
    if winners := [arm for arm in methods if all(arm in beaten[it] for it in held)]:
        said = listed(f"{called(it)} ({shown(found[it][winners[0]])})" for it in held)
        return f"{winners[0]} beats {said} by more than noise"
    if TUNED in beaten.get(EQUAL, ()):
        return (
            f"tuned weights beat equal ones by more than noise ({shown(found[EQUAL][TUNED])}), and no method beats "
            "tuned weights"
        )
    for it, other in ((EQUAL, TUNED), (TUNED, EQUAL)):
        if some := [arm for arm in methods if arm in beaten.get(it, ())]:
            told = shown(found[it][some[0]])
            return f"{some[0]} beats {called(it)} by more than noise ({told}), but not {called(other)}"
    if EQUAL in beaten.get(TUNED, ()):
        return (
            f"equal weights beat tuned ones by more than noise ({shown(found[TUNED][EQUAL])}), and no method beats "
            "equal weights"
        )
    return f"no method beats {listed(map(called, held), 'or')} by more than noise"
