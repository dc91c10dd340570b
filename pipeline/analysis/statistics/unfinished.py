"""Whether an arm was trained to its end, or was still improving when it ended: then its answer is none.

An arm is unfinished where its validation loss (the mean over tasks) fell over the last tenth of its updates, on
average over replicates, by more than the standard deviation of the final loss between replicates and by more than one
percent of it. Of one replicate alone, which knows no such deviation, the percent decides.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.tables import FINISHED
from pipeline.config.tasks import ALL

LOSS = "validation/all/loss"

_LAST = 0.9  # of the updates, after which the fall counts
_SHARE = 0.01


def finished_table(candidates: Iterable[Candidate]) -> pd.DataFrame:
    """One row an arm of which it is known: candidate, task (or `all`), fall, sd, final, unfinished.

    A history without a validation loss, or without its updates, is not judged.
    """
    rows = [
        {"candidate": it.group, "task": it.task or ALL} | found
        for it in candidates
        if (found := judged(pd.read_parquet(it.history))) is not None
    ]
    return pd.DataFrame(rows, columns=FINISHED)


def judged(history: pd.DataFrame) -> dict[str, Any] | None:
    """What a history says of its arm: `fall`, `sd` and `final` of the validation loss, and whether it is `unfinished`.

    Args:
        history: One row a slot and look at validation: `slot`, `updates` (done by then) and the loss.

    Returns:
        None where these are not there.
    """
    if LOSS not in history or "updates" not in history:
        return None
    ends = [_last_tenth(looks.sort_values("updates")) for _, looks in history.groupby("slot", sort=False)]
    ends = [one for one in ends if np.isfinite(one).all()]
    if not ends:
        return None
    before, final = np.array(ends).T
    fall, level = float((before - final).mean()), float(final.mean())
    sd = float(final.std(ddof=1)) if len(final) > 1 else math.nan
    unfinished = fall > _SHARE * abs(level) and not fall <= sd
    return {"fall": fall, "sd": sd, "final": level, "unfinished": unfinished}


def _last_tenth(looks: pd.DataFrame) -> tuple[float, float]:
    """A slot's loss at its last look at or before nine tenths of its updates, and at its last look; NaN without."""
    losses, updates = looks[LOSS].to_numpy(dtype=float), looks["updates"].to_numpy(dtype=float)
    before = losses[updates <= round(_LAST * updates[-1])]
    return (float(before[-1]) if len(before) else math.nan), float(losses[-1])
