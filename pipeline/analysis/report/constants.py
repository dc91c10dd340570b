"""Where no network beats the constant prediction."""

from pipeline.analysis.metrics import LOWER_IS_BETTER
from pipeline.analysis.report.data import ReportData


def unbeaten(data: ReportData) -> list[str]:
    """A sentence for each task in which no network's interval lies above the constant prediction."""
    answers = dict(data.evaluation.constants[["task", "answer"]].to_numpy().tolist())
    rows = data.evaluation.constant_differences
    return [
        f"On {task} no network beats {_always(data.metrics[str(task)], answers.get(task))}."
        for task, own in rows.groupby("task", sort=False)
        if not ((own["high"] < 0.0) if data.metrics[str(task)] in LOWER_IS_BETTER else (own["low"] > 0.0)).any()
    ]


def _always(metric: str, answer: str | None) -> str:
    """`always predicting 'no'`."""
    if metric == "r2":
        return f"always predicting the mean ({answer})" if answer else "always predicting the mean"
    if metric == "roc_auc":
        return "always predicting the share of each label"
    return f"always predicting '{answer}'" if answer else "always predicting the most frequent class"
