"""One job: a table is cut, drafted, trained as written, tuned, and tested by outer folds; only nothing is tracked."""

import json
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pandas as pd

from benchmarks.gains.tables import Table
from benchmarks.truth.job import project, untracked
from pipeline.analysis.evaluation import Evaluation
from pipeline.config import Experiment, load
from pipeline.config.compare import TUNED
from pipeline.config.tuning import TRIALS_A_REPLICATE
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.errors import Failure, UserError
from pipeline.steps.budget import LEAST
from pipeline.steps.context import Context
from pipeline.steps.evaluate import Evaluate
from pipeline.steps.graph import Job
from pipeline.steps.settling import settle
from pipeline.steps.step import perform
from pipeline.steps.train import Train
from pipeline.steps.tune import WINNERS, Tune, storage_url
from pipeline.training import numerics

SETTINGS: Mapping[str, Any] = {
    "data.test": {"folds": 5, "repeats": 2}, "tuning.trials": "auto", "baselines.single": False,
    "baselines.reference": False, "slots": 8, "processes": 1, "device": "cpu",
}  # fmt: skip
"""Of every job, as `--set` gives them: tuned whatever the draft says."""

MANY, FEW = TRIALS_A_REPLICATE, LEAST
"""Trials a replicate: what `auto` gives, and what it gives at the least, which are the first of these."""

_NAME, _WRITTEN, _FEW = "made", "default", "few"


def row(table: Table, rows: int, draw: int, until: float) -> dict[str, Any] | None:
    """The row of a job, in whichever process; none where it is later than `until`, or it failed, which is said."""
    if time.monotonic() >= until:
        return None
    numerics.settle()
    try:
        return answered(table, rows, draw)
    except (UserError, Failure) as error:
        click.echo(f"{table.name} {rows}, draw {draw}, has no row: {error}", err=True)
        return None


def answered(table: Table, rows: int, draw: int) -> dict[str, Any]:
    """Run a job to its answer.

    Returns:
        replicates; `gain`, what the tuned shared network has more than the one as written on test, in points of the
        metric that decides, the mean over tasks, and `gain_few` with fewer trials; delta_m, low and high of the tuned
        one against that as written, in percent, and delta_m_few; `tasks`, the gain and its standard error by task as
        JSON; user CPU seconds `written_s` (until the one as written is trained), `tuning_s` (the study, and its winners
        trained), and `cpu_s`, of all.
    """
    began = _user_s()
    with project() as folder:
        experiment = _drafted(table.cut(rows, draw), table.targets, folder)
        context = untracked(experiment, folder)
        settle(context)
        job = Job(context.experiment, folder)
        written, tuned = job.trained
        perform(context, written)
        written_s = _user_s() - began
        tuning_s = _took(lambda: perform(context, tuned))
        few = _few(context, job, tuned)
        perform(context, few)
        evaluate = Evaluate(context.experiment, job.prepare, [written, tuned, few], against=(_WRITTEN,))
        evaluation = Evaluation.load(perform(context, evaluate).folder)
    found = _told(evaluation, TUNED) | {f"{name}_few": it for name, it in _told(evaluation, _FEW).items()}
    spent = {"written_s": written_s, "tuning_s": tuning_s, "cpu_s": _user_s() - began}
    about = {"table": table.name, "rows": rows, "draw": draw, "replicates": context.experiment.replicates}
    return about | found | {name: round(it, 1) for name, it in spent.items()}


def _drafted(frame: pd.DataFrame, targets: Mapping[str, str], folder: Path) -> Experiment:
    (folder / "MLproject").touch()
    path, file = folder / f"{_NAME}.csv", folder / f"{_NAME}.yaml"
    frame.to_csv(path, index=False)
    asked = parse(",".join(f"{column}:{kind}" for column, kind in targets.items()))
    file.write_text(draft_table(path, asked, _NAME, folder), encoding="utf-8")
    return load(str(file), dict(SETTINGS), folder)


def _few(context: Context, job: Job, tuned: Train) -> Train:
    """Training of the best of each replicate's first trials."""
    study = job.studies[TUNED]
    return Train(
        tuned.experiment, "arm", job.prepare, "cpu", study=study, candidate=_FEW,
        winners=lambda: _first_winners(context, study),
    )  # fmt: skip


def _first_winners(context: Context, study: Tune) -> list[dict[str, Any]]:
    from pipeline.tuning.study import VALUES, open_study, winners

    name = json.loads((study.outputs / WINNERS).read_text())["study"]
    opened = open_study(name, storage_url(study.experiment, context.project), context.work / "locks" / "optuna.lock")
    replicates = study.experiment.replicates
    return [it.user_attrs[VALUES] for it in winners(opened, FEW * replicates, replicates)]


def _told(evaluation: Evaluation, candidate: str) -> dict[str, Any]:
    """What a candidate has more than the experiment as written."""
    pair = {"candidate": candidate, "against": _WRITTEN}
    differences, delta = (
        it[(it[list(pair)] == pd.Series(pair)).all(axis=1)] for it in (evaluation.differences, evaluation.delta_m)
    )
    own = differences[differences["primary"]].drop_duplicates("task").set_index("task")
    row = delta.iloc[0]
    return {
        "gain": round(float(100 * own["mean"].mean()), 4),
        "delta_m": round(float(row["mean"]), 4),
        "low": round(float(row["low"]), 4),
        "high": round(float(row["high"]), 4),
        "tasks": json.dumps({task: [round(100 * it["mean"], 4), round(100 * it["se"], 4)]
                             for task, it in own.iterrows()}),
    }  # fmt: skip


def _took(work: Callable[[], object]) -> float:
    before = _user_s()
    work()
    return _user_s() - before


def _user_s() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime
