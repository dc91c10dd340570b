"""What a network reaches on test by the updates it is trained for, on tables of several sizes, as `init` drafts them.

It is what the rule behind `training.updates: auto` is held against (`pipeline.training.length`): at a quarter of its
updates, a half, at all, twice and four times as many. A row a job goes to the record, which a later run goes on with.

    python -m benchmarks.length [--table NAME]... [--times X]... [--seeds K] [--record FILE]
"""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import pandas as pd

from benchmarks.common.tables import Table, tables
from pipeline.analysis.scores import score_network
from pipeline.config import Experiment, load, with_values
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.data.test_split import open_test_split
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.training.length import NEAR_THE_END, length_of
from pipeline.training.loop import advance
from pipeline.training.numerics import settle
from pipeline.training.progress import LOSS
from pipeline.training.saved import load_network, save
from pipeline.training.slot import SlotState, seed_slots
from pipeline.training.stack.stack import Stack

RECORD = Path(__file__).parent / "records" / "length.csv"
TIMES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""What is trained, as multiples of the updates of `auto`."""


@click.command()
@click.option("--table", "names", multiple=True, type=click.Choice(list(tables())), help="Only these.")
@click.option("--times", multiple=True, type=float, default=TIMES, show_default=True)
@click.option("--seeds", default=5, show_default=True, help="Networks of a job.")
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), default=RECORD, show_default="beside this")
def main(names: Sequence[str], times: Sequence[float], seeds: int, record: Path) -> None:
    """Train every job that the record lacks, and show what longer and shorter trainings reach."""
    settle()
    for name, table in tables().items():
        missing = [it for it in times if not _is_done(record, name, it, seeds)]
        if missing and (not names or name in names):
            with TemporaryDirectory() as folder:
                prepared, experiment = _prepared(name, table, Path(folder), seeds)
                for share in missing:
                    _add(record, {"table": name, "times": share, **job(prepared, experiment, share)})
                    click.echo(f"{name}, {share:g} times the updates: done", err=True)
    click.echo(shown(_read(record)).to_string())


def job(prepared: Prepared, experiment: Experiment, share: float) -> dict[str, Any]:
    """Train an experiment's networks for so many times the updates of `auto`.

    Returns:
        Its rows, updates and seeds; `score`, the mean over tasks of the metric that decides, on test, and its standard
        deviation over seeds; `loss`, that of validation at the end, and its `fall` over the last tenth; CPU seconds.
    """
    updates = max(1, round(share * length_of(prepared, experiment).updates))
    own = with_values(experiment, {"training.updates": updates})
    began = time.process_time()
    states = _trained(prepared, own)
    spent = time.process_time() - began
    scores = _scores(prepared, own, states)
    losses = np.array([[look[LOSS] for look in state.history] for state in states])  # [K, looks]
    near = states[0].updates.index(round(NEAR_THE_END * updates))
    return {
        "rows": max(prepared.train_rows.values()),
        "updates": updates,
        "seeds": len(states),
        "score": round(scores.mean(), 5),
        "sd": round(scores.std(ddof=1), 5) if len(states) > 1 else 0.0,
        "loss": round(losses[:, -1].mean(), 5),
        "fall": round((losses[:, near] - losses[:, -1]).mean(), 5),
        "cpu_s": round(spent, 2),
    }


def shown(record: pd.DataFrame) -> pd.DataFrame:
    """Of each table its rows, the score at the rule's updates, and what other lengths reach more, in points."""
    scores = 100.0 * record.pivot_table("score", "table", "times", sort=False)
    found = pd.DataFrame({"rows": record.groupby("table", sort=False)["rows"].first()})
    if 1.0 in scores:
        found["score"] = scores[1.0].round(2)
        scores = scores.sub(scores[1.0], axis=0).drop(columns=1.0)
    return found.join(scores.round(2).add_prefix("x "))


def _prepared(name: str, table: Table, folder: Path, seeds: int) -> tuple[Prepared, Experiment]:
    """The table as CSV, the experiment that `headway init` drafts for it, and its splits."""
    path = folder / f"{name}.csv"
    table.frame().to_csv(path, index=False)
    targets = ",".join(f"{column}:{kind}" for column, kind in table.targets.items())
    file = folder / f"{name}.yaml"
    file.write_text(draft_table(path, parse(targets), name, folder))
    experiment = load(str(file), {"data.test": 0.2, "training.seeds": seeds, "tuning": None}, folder)
    arrays = folder / "prepared"
    arrays.mkdir()
    prepare(experiment, Place("sample", folder, None, folder, folder), arrays, lambda _: None)
    return open_prepared(arrays), experiment


def _trained(prepared: Prepared, experiment: Experiment) -> list[SlotState]:
    slots = seed_slots(experiment, prepared)
    stack = Stack(prepared, slots)
    while stack.running:
        advance(stack)
    found = {state.name: state for state in stack.states()}
    return [found[slot.name] for slot in slots]


def _scores(prepared: Prepared, experiment: Experiment, states: Sequence[SlotState]) -> np.ndarray:
    """Each network's mean over tasks on test [K]."""
    (path,) = save(prepared.folder, prepared, seed_slots(experiment, prepared), states)
    network, _ = load_network(path, prepared, experiment)
    scored = score_network(network, prepared, open_test_split(prepared).rows)
    found: np.ndarray = np.mean([it.metrics[it.primary] for it in scored.values()], axis=0)
    return found


def _read(record: Path) -> pd.DataFrame:
    return (
        pd.read_csv(record) if record.is_file() else pd.DataFrame(columns=["table", "times", "seeds", "rows", "score"])
    )


def _is_done(record: Path, name: str, share: float, seeds: int) -> bool:
    known = _read(record)
    return bool(((known["table"] == name) & (known["times"] == share) & (known["seeds"] == seeds)).any())


def _add(record: Path, row: dict[str, Any]) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([row]).to_csv(record, mode="a", index=False, header=not record.is_file())


if __name__ == "__main__":
    main()
