"""Learning curves: every candidate's history, as mean and range over its seeds."""

from collections.abc import Iterable

import pandas as pd

from pipeline.analysis.candidate import Candidate

COLUMNS = ["candidate", "split", "task", "metric", "epoch", "updates", "mean", "low", "high", "num_seeds", "kept"]


def curves_table(candidates: Iterable[Candidate]) -> pd.DataFrame:
    """One row a candidate, metric (`split`, `task`, `metric`) and look at validation, whose number is `epoch`.

    `updates` are those done by then; `mean`, `low` and `high` are over the seeds that still trained (`num_seeds`);
    `kept` says for how many seeds this is the look whose weights were kept.
    """
    parts = [_of(candidate) for candidate in candidates]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _of(candidate: Candidate) -> pd.DataFrame:
    history = pd.read_parquet(candidate.history)
    names = [name for name in history.columns if name.count("/") == 2]
    values = history.melt(["slot", "epoch", "updates", "kept"], names, var_name="name", value_name="value").dropna()
    table = (
        values.groupby(["name", "epoch"], sort=False)
        .agg(
            updates=("updates", "max"),
            mean=("value", "mean"),
            low=("value", "min"),
            high=("value", "max"),
            num_seeds=("value", "size"),
            kept=("kept", "sum"),
        )
        .reset_index()
    )
    table[["split", "task", "metric"]] = table["name"].str.split("/", expand=True)
    return table.assign(candidate=candidate.group)[COLUMNS]
