"""What a draft says of tuning: a table gets no more trials than tables of so many rows were found to gain from."""

import math

from pipeline.config.tuning import TRIALS_A_REPLICATE
from pipeline.data.outer import SMALL
from pipeline.drafts.writing import Draft

ENOUGH = {150: TRIALS_A_REPLICATE, 500: 3, 2_000: 3}
"""By rows, the trials a replicate to which more add less than a point over public tables; 0 is the network as written.

`python -m benchmarks.gains` measures it, and says which of these are not so."""


def enough(rows: int) -> int:
    """Trials a replicate that a table of so many rows is worth: as one of the measured size that is the nearest."""
    nearest = min(ENOUGH, key=lambda size: abs(math.log(rows / size)))
    return ENOUGH[nearest] if rows < SMALL else TRIALS_A_REPLICATE


def put_tuning(draft: Draft, rows: int) -> None:
    """Write the setting of tuning, and why, where fewer trials than `auto` gives are enough.

    Args:
        draft: Where it goes; how its rows test is written.
        rows: Of the table.
    """
    trials = enough(rows)
    if not draft.every_row_tests or trials == TRIALS_A_REPLICATE:
        return
    if not trials:
        draft.put(("tuning",), None, f"of {rows:,} rows it was found to gain nothing; --trials 60 tunes all the same")
        return
    folds = draft.tree["data"]["test"]
    in_all = trials * folds["folds"] * folds["repeats"]
    draft.put(("tuning",), {"trials": in_all}, f"{trials} a replicate: of {rows:,} rows more add less than a point")
