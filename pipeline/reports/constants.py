"""Where no network beats the constant prediction."""

from collections.abc import Mapping

from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.metrics import LOWER_IS_BETTER


def unbeaten(evaluation: Evaluation, metrics: Mapping[str, str]) -> list[str]:
    """A sentence for each task in which no network's interval lies above the constant prediction.

    Args:
        evaluation: Of all networks.
        metrics: The primary metric of each task.
    """
    answers = dict(evaluation.constants[["task", "answer"]].to_numpy().tolist())
    rows = evaluation.constant_differences
    return [
        f"On {task} no network beats {_always(metrics[str(task)], answers.get(task))}."
        for task, own in rows.groupby("task", sort=False)
        if not ((own["high"] < 0.0) if metrics[str(task)] in LOWER_IS_BETTER else (own["low"] > 0.0)).any()
    ]


def _always(metric: str, answer: str | None) -> str:
    """`always predicting 'no'`."""
    if metric == "r2":
        return f"always predicting the mean ({answer})" if answer else "always predicting the mean"
    if metric == "roc_auc":
        return "always predicting the share of each label"
    return f"always predicting '{answer}'" if answer else "always predicting the most frequent class"
