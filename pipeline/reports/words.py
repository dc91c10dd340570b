"""Words that the first lines have in common."""

import math
from collections.abc import Iterable, Mapping, Sequence

from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.metrics import LOWER_IS_BETTER, TITLES, of_one
from pipeline.analysis.statistics.decision import Decision
from pipeline.config.data import OuterFolds
from pipeline.printable import printable

MOST = 4
"""Tasks in a sentence; the page has more of them."""


def number(value: float, form: str, unit: str = "") -> str:
    """`97.20 %`; in a word that it is not known, where it is no finite number."""
    return f"{value:{form}}{unit}" if math.isfinite(value) else "unknown"


def interval(low: float, high: float, form: str) -> str:
    """`[-0.30, -0.12]`; empty where it is not known."""
    return f"[{low:{form}}, {high:{form}}]" if low == low and high == high else ""


def bounds(row: dict, scale: float = 1.0) -> str:
    """`[-0.30, -0.12]`; empty where it is not known."""
    return interval(scale * row["low"], scale * row["high"], "+.2f")


def times(count: int) -> str:
    """`once` or `3 times`."""
    return "once" if count == 1 else f"{count} times"


def points(row: dict) -> str:
    """A difference in points with its interval: `-0.21 points [-0.30, -0.12]`."""
    return f"{number(100 * row['mean'], '+.2f', ' points')} {bounds(row, 100.0)}".rstrip()


def shown_p(p: float) -> str:
    """`p = 0.004`, corrected."""
    if p != p:
        return "p unknown"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def shown_test(row: dict) -> str:
    """A contrast in percent: `+0.41 % [+0.20, +0.62], p = 0.004`."""
    return f"{number(row['mean'], '+.2f', ' %')} {bounds(row)}".rstrip() + f", {shown_p(row['p_holm'])}"


def listed(words: Iterable[str], last: str = "and") -> str:
    """`a, b and c`."""
    *most, end = words
    return f"{', '.join(most)} {last} {end}" if most else end


def some(words: Sequence[str], last: str = "and") -> str:
    """As `listed`, but of many the first few and how many more there are."""
    if len(words) <= MOST:
        return listed(words, last)
    return f"{', '.join(words[:MOST])} {last} {len(words) - MOST} more tasks"


def level(value: float, metric: str) -> str:
    """`97.20 % accuracy`; an error as it is."""
    shown = number(100 * value, ".2f", " %") if of_one(metric) else number(value, ".4g")
    return f"{shown} {TITLES.get(metric, metric) if of_one(metric) else metric}"


def shown_delta(found: Decision) -> str:
    """`delta-m +2.41 % [+1.20, +3.62]`; without an interval where there is none."""
    assert found.delta is not None
    between = found.delta.interval()
    shown = f"{number(found.delta.mean, '+.2f', ' %')} {interval(between.low, between.high, '+.2f')}"
    return f"delta-m {shown}".rstrip()


def shown_tasks(found: Decision, tasks: Sequence[str]) -> str:
    """`a (+1.20 points) and b (+0.80 points)`."""
    return some([f"{task} ({number(100 * found.tasks[task].mean, '+.2f', ' points')})" for task in tasks])


def clearly(found: Decision) -> str:
    """The tasks that are clear: `clearly better on a (+1.20 points)`; empty where none is."""
    clear = [
        f"clearly {how} on {shown_tasks(found, tasks)}"
        for how, tasks in (("better", found.better), ("worse", found.worse))
        if tasks
    ]
    return " and ".join(clear)


def every_row_tests(outer: OuterFolds, tested: int, rows: int) -> str:
    """`every row tests: 5 folds, twice (10 replicates)`; of rows in order of time how many do.

    Args:
        outer: How.
        tested: Rows that test.
        rows: All of them.
    """
    which = "every row tests" if tested == rows else f"{tested:,} of {rows:,} rows test"
    return f"{which}: {outer} ({outer.folds * outer.repeats} replicates)"


def settling(found: Decision, setting: str, folds: int = 0, once: bool = False) -> str:
    """What would settle it, and from which effect on this would have been seen.

    Args:
        found: Of which nothing is known yet.
        setting: That says how many replicates or seeds there are, such as `training.seeds`.
        folds: Where every row tests, how many times that many replicates there are: their repeats are set instead.
        once: There is one way to cut the rows into these folds, so that there are no repeats.
    """
    rows, larger, value = "test rows", f"a larger {setting}", found.replicates
    if folds:
        rows, larger, setting = "rows", "more repeats of the folds", "data.test"
    if once:
        return _seen(found, "more rows would narrow it: there is one way to cut these into folds")
    more = f"{{folds: {folds}, repeats: {math.ceil(value / folds)}}}" if folds and value else value
    most = f"{setting}={more} would narrow it most" if more else f"more {rows} would narrow it most, {larger} little"
    return _seen(found, most)


def _seen(found: Decision, most: str) -> str:
    if found.smallest != found.smallest:
        return most
    return f"an effect of {found.smallest:.2f} % would have been seen in four of five tries, and {most}"


def still_improving(names: Sequence[str]) -> str:
    """That these arms are unfinished."""
    was = "was" if len(names) == 1 else "were"
    return f"Still improving when training ended {was} {some(names)}: with more updates they may end elsewhere."


def lacking(found: Decision, setting: str) -> str:
    """Why nothing is claimed, and what to set."""
    if found.lack == "unfinished":
        names = found.unfinished
        return (
            f"{some(names)} {'was' if len(names) == 1 else 'were'} still improving when training ended "
            "(train longer: a larger training.updates, or training.epochs)"
        )
    if found.lack == "one_replicate":
        what = "the luck of tuning" if setting == "tuning.replicates" else "how much another training would change"
        one = "replicate" if setting == "tuning.replicates" else "seed"
        return f"of one {one} {what} is not known ({setting}=5 tells)"
    reasons = {
        "one_task": "there is one task, so nothing is shared (a second one under tasks makes it a question)",
        "nothing_shared": "nothing is shared (model.sharing=shared shares)",
        "no_single": "no single-task baselines were trained (baselines.single=true trains them)",
        "no_shared": "no network with tuned weights could be trained (a smaller training.learning_rate may help)",
    }
    return reasons[found.lack or "no_single"]


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
    return f"always predicting '{printable(answer)}'" if answer else "always predicting the most frequent class"
