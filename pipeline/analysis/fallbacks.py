"""How often a balancing method's solver did not come to its solution."""

import numpy as np
import pandas as pd

FALLBACKS = "train/all/fallbacks"

_FEW = 0.01  # of the steps: up to so many are not worth a note


def note(method: str, history: pd.DataFrame) -> str:
    """A clause on the steps in which a method fell back; empty where they are at most one percent.

    Args:
        method: Its name.
        history: One row a slot and look at validation: `slot`, `updates` (done by then) and the share of fallbacks
            since the last look.
    """
    share = share_of(history)
    if not share > _FEW:
        return ""
    return (
        f"the solver of {method} did not come to its solution in {100 * share:.1f} % of the steps: the best that it "
        "had, or else equal weights, were used there"
    )


def share_of(history: pd.DataFrame) -> float:
    """The share of all steps of all slots; NaN of a method that solves nothing."""
    if FALLBACKS not in history:
        return float("nan")
    known = history[history[FALLBACKS].notna()]
    steps = known.groupby("slot", sort=False)["updates"].diff().fillna(known["updates"])
    return float(np.average(known[FALLBACKS], weights=steps)) if steps.sum() else float("nan")
