"""Time to quality: when a study first has a trial as good as the best of the usual script's whole study.

The target is the best last-epoch validation mean in the script's log; the script's times, to it and for all trials, are
the epochs it did, at the seconds an epoch takes it in this run. Ours is the real command, from its start to the moment
a trial of that value is told. Two studies show what each part gives: ours as the script does it (throughput), and with
a short one-cycle schedule on top. Both see the same validation rows.

    python -m benchmarks.time_to_quality [--data FOLDER]
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import optuna
import pandas as pd
import plotly.graph_objects as go

from benchmarks.common import machine, results
from benchmarks.common.data import Data, data_folder
from benchmarks.common.measuring import Spent
from benchmarks.common.options import shared
from benchmarks.common.project import Project, run, scratch_project
from benchmarks.networks import precisions
from benchmarks.study import SCRIPT, Size, scripts, study_values

RECORD = Path(__file__).parent / "records" / "usual_study.jsonl"
THROUGHPUT, SCHEDULE = "throughput", "and schedule"
_PEAKS = (  # of one-cycle: constant rates are searched from 1e-4 on
    "{balancing.weights: simplex, model.trunk.dropout: {float: [0.0, 0.7]}, "
    "training.learning_rate: {float: [1e-3, 1e-2], log: true}}"
)


@dataclass(frozen=True)
class Target:
    """What the script's study reached.

    Attributes:
        value: Best last-epoch validation mean.
        epochs: Epochs that the study had done by then.
        trials: Trials of the whole study.
        total: Epochs of the whole study.
    """

    value: float
    epochs: int
    trials: int
    total: int


@click.command()
@shared(repeats=5)
@click.option("--record", type=click.Path(path_type=Path), default=RECORD, show_default="the one that ships")
@click.option("--epochs", default=8, show_default=True, help="Of a trial with one-cycle.")
@click.option("--batch", default=8, show_default=True, help="Trials with one-cycle asked for together.")
@click.option("--trials", default=16, show_default=True, help="With one-cycle, after which a study gives up.")
@click.option("--split-repeats", default=1, show_default=True, help="Turns of the studies that only show the parts.")
@click.option("--precision", default="float32", type=click.Choice(precisions()), show_default=True)
def main(
    data: Path | None, repeats: int, quick: bool, folder: Path, record: Path, epochs: int, batch: int, trials: int,
    split_repeats: int, precision: str,
) -> None:  # fmt: skip
    """Time studies of several seeds until they are as good as the script's."""
    about: dict[str, Any] = {"machine": machine.describe()}
    size = Size(trials=trials, batch=batch)
    if quick:
        size, epochs, repeats = Size(4, 2, 2), 2, 1
    values = {name: it | {"precision": precision} for name, it in _studies(size, epochs, quick).items()}
    with data_folder(data, (1000, 200) if quick else (60_000, 10_000)) as found:
        if found.made_up and not quick:
            click.echo("time to quality is left out: the script's study was of the real data, give them by --data")
            return
        target = Target(0.2, epochs=4, trials=4, total=8) if quick else target_of(record)
        about |= {"data": found.in_words, "target": target.value, "settings": {k: str(v) for k, v in values.items()}}
        rows = list(_turns(found, values, target, repeats, split_repeats))
    table = pd.DataFrame(rows)
    click.echo(_shown(table))
    results.save("time_to_quality", table, about, _figure(table, target), folder)


def target_of(record: Path) -> Target:
    """Read the script's log, a line of JSON for every epoch.

    Raises:
        click.UsageError: There is none.
    """
    if not record.is_file():
        raise click.UsageError(f"{record} is missing: `make bench-all` writes it, or give another by --record")
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    last = max(line["epoch"] for line in lines)
    ends = [(line["validation"], -place) for place, line in enumerate(lines) if line["epoch"] == last]
    value, place = max(ends)
    return Target(value, 1 - place, len(ends), len(lines))


def _studies(size: Size, epochs: int, quick: bool) -> dict[str, dict[str, Any]]:
    schedule = {"training.schedule": "one_cycle", "training.epochs": epochs, "tuning.space": _PEAKS}
    return {  # the one that counts comes first: it makes the project's databases
        SCHEDULE: study_values(size) | schedule,
        THROUGHPUT: study_values(size if quick else Size()),
    }


def _turns(
    data: Data, values: dict[str, dict[str, Any]], target: Target, repeats: int, split_repeats: int
) -> Iterator[dict[str, Any]]:
    """A row a study: when it reached the target, and the script's in the same turn."""
    for seed in range(repeats):
        with scratch_project(data) as project:
            run(
                [sys.executable, "-m", "benchmarks.same_rows", *project.words("prepare", {"seed": seed})],
                project.folder,
            )
            script = _script(project, target)
            yield {"name": SCRIPT, "seed": seed, **script}
            for name, settings in values.items():
                if name == SCHEDULE or seed < split_repeats:
                    row = _ours(project, settings | {"seed": seed}, target)
                    click.echo(f"  seed {seed}, {name}: {row['seconds']:.1f} s, best {row['best']:.4f}", err=True)
                    sooner = {f"than_{it}": script[it] / row["seconds"] for it in ("seconds", "whole")}
                    yield {"name": name, "seed": seed, **row, **sooner}


def _script(project: Project, target: Target) -> dict[str, Any]:
    part = scripts("benchmarks.rivals.usual", project.prepared, Size(), threads=1)
    seconds = part.more["start_up"] + target.epochs * part.more["epoch_seconds"]
    whole = part.more["start_up"] + target.total * part.more["epoch_seconds"]
    return {"seconds": seconds, "whole": whole, "start_up": part.more["start_up"], "best": target.value}


def _ours(project: Project, settings: dict[str, Any], target: Target) -> dict[str, Any]:
    """Run the command as a new study; seconds from its start to the first trial as good, infinite if there is none."""
    storage = f"sqlite:///{project.folder}/optuna.db"
    before = set(_names(storage))
    started = datetime.now(UTC).astimezone().replace(tzinfo=None)  # Optuna notes local times
    spent: Spent = project.headway("tune", settings)
    (name,) = set(_names(storage)) - before
    trials = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    good = [
        trial.datetime_complete for trial in trials
        if trial.state == optuna.trial.TrialState.COMPLETE and trial.value >= target.value
    ]  # fmt: skip
    reached = (min(good) - started).total_seconds() if good else math.inf
    best = max(trial.value for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE)
    start_up = (min(trial.datetime_start for trial in trials) - started).total_seconds()
    return {"seconds": reached, "whole": spent.seconds, "start_up": start_up, "best": best}


def _names(storage: str) -> list[str]:
    return optuna.get_all_study_names(storage) if Path(storage.removeprefix("sqlite:///")).is_file() else []


def _shown(table: pd.DataFrame) -> str:
    """Medians over the seeds: seconds to the target, start-up, the whole study, and how many times sooner it is than
    the script's moment of reaching it and than its whole study.
    """
    columns = ["seconds", "start_up", "whole", "best", "than_seconds", "than_whole"]
    return table.groupby("name", sort=False)[columns].median().round(4).to_string()


def _figure(table: pd.DataFrame, target: Target) -> go.Figure:
    marks = [
        go.Scatter(x=part["seconds"], y=[name] * len(part), mode="markers", name=name, marker_size=11)
        for name, part in table.groupby("name", sort=False)
    ]
    title = f"Seconds until a trial has {target.value:.4f}, a mark a seed"
    return go.Figure(marks).update_layout(title=title, xaxis={"type": "log", "title": "seconds"}, showlegend=False)


if __name__ == "__main__":
    main()
