"""Rebuild what a run found from what it logged, and say whether it is the same, bit for bit.

Nothing is tracked: the runs stay as they are.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import MANIFEST, Prepared, open_prepared
from pipeline.errors import Failure, UserError
from pipeline.steps.context import Context
from pipeline.steps.data import ALL_ROWS
from pipeline.steps.prepare import place
from pipeline.steps.runs.curves import BEST, history
from pipeline.steps.step import EXPERIMENT_FILE, KEY_FILE, logged_experiment
from pipeline.steps.train import HISTORY, WINNERS
from pipeline.steps.tune import TRIALS
from pipeline.tracking import outputs, tags
from pipeline.tracking.keys import code_of
from pipeline.training import saved
from pipeline.training.loop import fit
from pipeline.training.slot import Slot, SlotState, batch_slots, slots_of, trial_slots
from pipeline.urls import sqlite_url

EQUAL = "bitwise equal"


@dataclass(frozen=True)
class Verdict:
    """What came of rebuilding a run.

    Attributes:
        run_id: Of the run.
        name: Of the run.
        equal: Everything is the same, bit for bit.
        answer: In words.
    """

    run_id: str
    name: str
    equal: bool
    answer: str


def rebuild(context: Context, run: Any) -> Verdict:
    """Rebuild one run.

    Raises:
        UserError: The run is of a kind that is not rebuilt.
        Failure: What it needs is gone.
    """
    step, role = run.data.tags.get(tags.STEP), run.data.tags.get(tags.ROLE)
    kind = "trial" if role == "trial" else step
    builders = {"prepare": _prepare, "train": _train, "tune": _tune, "trial": _trial}
    if kind not in builders:
        raise UserError(
            f"run {run.info.run_id} is a run of '{kind or 'something else'}'; "
            f"{', '.join(builders)} runs can be rebuilt: name one of them"
        )
    problem = builders[kind](context, run)
    answer = f"{problem}{_changed_code(context, run)}" if problem else EQUAL
    return Verdict(run.info.run_id, run.info.run_name, problem is None, answer)


def _changed_code(context: Context, run: Any) -> str:
    """How many modules have changed since the run, which may be why it comes out otherwise."""
    step = run.data.tags[tags.STEP]
    before = _key(context, run).get("code", {})
    now = code_of(f"pipeline.steps.{step}", *before)
    count = sum(before.get(module) != now.get(module) for module in before.keys() | now.keys())
    return f" (since then {count} modules of the code have changed)" if count else ""


def _prepare(context: Context, run: Any) -> str | None:
    from pipeline.data.prepare import prepare

    before = context.tracker.json_artifact(run.info.run_id, MANIFEST)
    if before is None:
        raise Failure(f"run {run.info.run_id} logged no {MANIFEST}")
    with tempfile.TemporaryDirectory() as folder:
        experiment = _experiment(context, run.info.run_id)
        now = prepare(experiment, place(experiment, context.project), Path(folder), lambda line: None)
    differing = [name for name, checksum in before["files"].items() if now["files"].get(name) != checksum]
    return f"differs in {', '.join(differing)}" if differing else None


def _train(context: Context, run: Any) -> str | None:
    experiment = _experiment(context, run.info.run_id)
    prepared = _prepared(context, run, experiment)
    winners = context.tracker.json_artifact(run.info.run_id, WINNERS) or [{}] * experiment.training.seeds
    experiments = [with_values(experiment, it) for it in winners]
    slots = slots_of(experiments, prepared)
    states = _fit(context, prepared, slots)
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        before = context.tracker.artifact(run.info.run_id, HISTORY, there)
        if before is None:
            raise Failure(f"run {run.info.run_id} logged no {HISTORY}: it did not finish")
        curves = pd.read_parquet(before)
        files = saved.save(there, prepared, slots, states)
        new = {path.name: path.read_bytes() for path in files}
        (there / "logged").mkdir()
        old = {name: context.tracker.artifact(run.info.run_id, name, there / "logged") for name in new}
        same = all(path is not None and path.read_bytes() == new[name] for name, path in old.items())
    return _first_difference(curves, history(states)) or (None if same else "equal curves, differing weights")


def _trial(context: Context, run: Any) -> str | None:
    from pipeline.tuning.folds import joined
    from pipeline.tuning.space import trial_experiment

    tune = run.data.tags["mlflow.parentRunId"]
    experiment = trial_experiment(_experiment(context, tune), json.loads(run.data.tags[tags.TRIAL_VALUES]))
    prepared = _prepared(context, run, experiment)
    names = [name for name in run.data.metrics if name.startswith(("train/", "validation/"))]
    before = {name: context.tracker.metric_history(run.info.run_id, name) for name in names}
    looks = max((len(points) for points in before.values()), default=0)
    if looks and not any(name.startswith(BEST) for name in run.data.metrics):
        looks -= 1  # the last point of an earlier version's curves repeats the kept look
    slots = trial_slots(int(run.data.tags[tags.TRIAL_NUMBER]), experiment, prepared)
    state = joined(run.info.run_name, _fit(context, prepared, slots, looks))
    for look, metrics in enumerate(state.history[:looks], start=1):
        for name, points in before.items():
            was, is_ = dict(points).get(look), metrics.get(name)
            if was not in (None, is_):
                return f"first differs at look {look}: {name} was {was!r}, is {is_!r}"
    return None if state.looks >= looks else f"ended after look {state.looks}, not {looks}"


def _tune(context: Context, run: Any) -> str | None:
    from pipeline.tuning.in_flight import trials_in_flight
    from pipeline.tuning.search import search
    from pipeline.tuning.study import open_study, table

    experiment = _experiment(context, run.info.run_id)
    prepared = _prepared(context, run, experiment)
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        path = context.tracker.artifact(run.info.run_id, TRIALS, there)
        if path is None:
            raise Failure(f"run {run.info.run_id} logged no {TRIALS}: it did not finish")
        before = pd.read_parquet(path).drop(columns="seconds")
        study = open_study("rebuilt", sqlite_url(there / "optuna.db"), there / "lock")
        together = batch_slots(dict.fromkeys(range(trials_in_flight(experiment)), experiment), prepared)
        with context.scheduler.pool(prepared, together, experiment.trials) as pool:
            search(study, experiment, prepared, pool, there / "checkpoints")
        now = table(study).head(len(before)).drop(columns="seconds")
    differing = [number for number in range(len(before)) if not _same(before.iloc[number], now.iloc[number])]
    return f"first differs at trial {differing[0]}" if differing else None


def _same(before: Any, now: Any) -> bool:
    return bool(before.astype(object).where(before.notna(), None).equals(now.astype(object).where(now.notna(), None)))


def _first_difference(before: pd.DataFrame, now: pd.DataFrame) -> str | None:
    """The first look in which a value differs, over all slots."""
    both = before.merge(now, on=["slot", "epoch"], how="outer", suffixes=("", "_now")).sort_values(["epoch", "slot"])
    names = [name for name in before.columns if "/" in name]
    for row in both.to_dict("records"):
        for name in names:
            was, is_ = row[name], row[f"{name}_now"]
            if was != is_ and not (was != was and is_ != is_):
                return f"first differs at look {row['epoch']} in {row['slot']}: {name} was {was!r}, is {is_!r}"
    return None


def _fit(context: Context, prepared: Prepared, slots: list[Slot], looks: int | None = None) -> list[SlotState]:
    def at_barrier(states: list[SlotState]) -> list[str]:
        return [state.name for state in states if looks is not None and state.looks >= looks]

    with context.scheduler.pool(prepared, slots) as pool:
        return fit(pool, prepared, slots, at_barrier)


def _experiment(context: Context, run_id: str) -> Experiment:
    experiment = logged_experiment(context.tracker, run_id)
    if experiment is None:
        raise Failure(f"run {run_id} logged no {EXPERIMENT_FILE}: it cannot be rebuilt")
    return experiment


def _prepared(context: Context, run: Any, experiment: Experiment) -> Prepared:
    """The data that the run read.

    Raises:
        Failure: They are gone.
    """
    key = run.data.tags[tags.PREPARED]
    folder = context.project / experiment.data.prepared / "prepared" / key
    if outputs.digest(folder) is None:
        raise Failure(f"its prepared data ({key[:8]}) are gone: headway prepare {experiment.name} makes them")
    prepared = open_prepared(folder).only(experiment.tasks)
    return prepared.whole() if ALL_ROWS.items() <= _key(context, run).items() else prepared


def _key(context: Context, run: Any) -> dict[str, Any]:
    """The parts of a run's key; of a trial those of its study's."""
    of = run.data.tags["mlflow.parentRunId"] if run.data.tags.get(tags.ROLE) == "trial" else run.info.run_id
    return context.tracker.json_artifact(of, KEY_FILE) or {}
