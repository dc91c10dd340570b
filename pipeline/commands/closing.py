"""The last lines of a command that did steps: what was found, and the command that comes next."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pipeline.commands.options import Request
from pipeline.config import Experiment
from pipeline.config.tasks import ALL
from pipeline.steps.context import Context

_MOST = 6  # candidates, and tasks of each
_ROWS = "rows"
_SPLITS = ("train", "validation", "test")
_AFTER = {"prepare": "train", "train": "tune", "tune": "evaluate", "evaluate": "report"}


def found(context: Context) -> Iterator[str]:
    """What a command found that ends before the report: rows of each task, or the primary metrics of each candidate.

    Args:
        context: Of the command, whose steps are done and whose run is ended.
    """
    run = context.tracker.get(context.parent) if context.parent else None
    scores: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for key, value in (run.data.metrics if run else {}).items():
        parts = key.split("/")
        if len(parts) == 4 and parts[0] in _SPLITS:
            scores.setdefault((parts[0], parts[1]), {})[parts[2], parts[3]] = value
    for (split, candidate), own in [*sorted(scores.items())][:_MOST]:
        yield f"{split}: {candidate}: {_listed(own, context.experiment)}"
    if len(scores) > _MOST:
        yield f"{len(scores) - _MOST} more candidates stand in the run"
    if not scores and [*context.done] == ["prepare"]:
        prepared = context.tracker.get(context.done["prepare"].run_id)
        yield from _rows(prepared.data.metrics if prepared else {})


def following(name: str, request: Request, experiment: Experiment) -> str:
    """The command that comes after another, with the same settings."""
    after = _AFTER.get(name)
    if after == "tune" and experiment.tuning is None:
        after = "evaluate"
    if after is None:
        return f"headway open {shlex.quote(request.experiment)}"
    return replace(request, arm="").as_command(after)


def _listed(scores: Mapping[tuple[str, str], float], experiment: Experiment) -> str:
    """The scores in the order of the tasks, those of all tasks last."""
    order = {name: place for place, name in enumerate(experiment.tasks)}
    ordered = sorted(scores.items(), key=lambda it: (it[0][0] == ALL, order.get(it[0][0], len(order)), it[0]))
    own = [it for it in ordered if it[0][0] != ALL]
    all_of_them = [it for it in ordered if it[0][0] == ALL]
    more = [f"{len(own) - _MOST} more tasks"] if len(own) > _MOST else []
    return ", ".join([*map(_score, own[:_MOST]), *more, *map(_score, all_of_them)])


def _score(named: tuple[tuple[str, str], float]) -> str:
    (task, metric), value = named
    if metric.endswith("_percent"):
        return f"{metric.removesuffix('_percent').replace('_', '-')} {value:+.1f} %"
    return f"{metric if task == ALL else f'{task} {metric}'} {value:.4g}"


def _rows(metrics: Mapping[str, float]) -> Iterator[str]:
    """The labelled rows of each task, by split."""
    tasks: dict[str, list[str]] = {}
    for split in _SPLITS:
        for key, value in metrics.items():
            if key.startswith(f"{split}/") and key.endswith(f"/{_ROWS}"):
                task = key.removeprefix(f"{split}/").removesuffix(f"/{_ROWS}")
                tasks.setdefault(task, []).append(f"{value:,.0f} {split}")
    for task in [*tasks][:_MOST]:
        yield f"rows:   {task}: {', '.join(tasks[task])}"
    if len(tasks) > _MOST:
        yield f"rows:   {len(tasks) - _MOST} more tasks"
