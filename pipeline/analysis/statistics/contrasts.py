"""Contrasts: every candidate against some references, with p-values corrected within each question.

A question is one reference, of all tasks together or of the tasks one by one.
"""

from collections.abc import Sequence

import pandas as pd

from pipeline.analysis import tables
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.metrics import LOWER_IS_BETTER
from pipeline.analysis.statistics.intervals import Estimate, holm
from pipeline.config.tasks import ALL


def contrasts(evaluation: Evaluation, references: Sequence[str]) -> pd.DataFrame:
    """One row an arm, reference and task, in points; `all` tasks in percent.

    Args:
        evaluation: Of all arms.
        references: What they are held against.

    Returns:
        candidate, against, task, metric, mean, low, high, se, df, rows_var, between_var, num_seeds (see
        `pipeline.analysis.statistics.intervals.Estimate`), p (of the same standard error), p_holm (corrected within the
        question), verdict: `better` or `worse` where p_holm is below 0.05, else `unclear`.
    """
    together = evaluation.delta_m.assign(task=ALL, metric="delta_m_percent", scale=1.0)
    each = tables.primary(evaluation.differences).assign(scale=100.0)
    rows = pd.concat([it for it in (together, each) if len(it)] or [together], ignore_index=True)
    rows = rows[rows["against"].isin(references)].reset_index(drop=True)
    for column in ("mean", "low", "high", "se"):
        rows[column] = rows[column] * rows["scale"]
    for column in ("rows_var", "between_var"):
        rows[column] = rows[column] * rows["scale"] ** 2
    question = [rows["against"], rows["task"] == ALL]
    rows["p_holm"] = rows.groupby(question)["p"].transform(lambda p: holm(p.to_numpy()))
    rows["verdict"] = [
        Estimate.of_row(row).verdict(row["metric"] not in LOWER_IS_BETTER, row["p_holm"])
        for row in rows.to_dict("records")
    ]
    return rows[_COLUMNS]


_COLUMNS = ["candidate", "against", "task", "metric", "mean", "low", "high", "se", "df", "rows_var", "between_var",
            "num_seeds", "p", "p_holm", "verdict"]  # fmt: skip
