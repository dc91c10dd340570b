"""How often each balancing method's solver does not come to its solution, in three epochs of several experiments.

    python -m benchmarks.fallbacks [--methods mgda,cagrad]

Those that ship, and 14 tasks through a layer of 4 units in batches of 7, whose gradients are linearly dependent in many
steps. It exits with 1 where a method falls back in more than 0.1 % of the steps of one of them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pandas as pd

from benchmarks.truth.families import Family, Task
from benchmarks.truth.job import drafted, untracked, written
from pipeline.analysis.fallbacks import share_of
from pipeline.config import Experiment, load, with_values
from pipeline.config.balancing import Balancing
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.steps.prepare import Prepare
from pipeline.steps.runs.curves import history
from pipeline.steps.step import perform
from pipeline.training.loop import advance
from pipeline.training.numerics import settle
from pipeline.training.slot import trial_slot
from pipeline.training.stack.stack import Stack

REPOSITORY = Path(__file__).parents[1]
SHIPPED = ("digits", "census", "mnist_fashion")
NARROW = Family(
    "14 tasks, narrow", "hurts", 700, tuple(Task(number, labelled=0.8) for number in range(14)), (16, 4), 1,
    {"model.trunk": {"kind": "mlp", "widths": [16, 4], "dropout": 0.0}, "training.batch_size": 7},
)  # fmt: skip
MOST = 0.001
_EPOCHS = {"training.epochs": 3, "training.updates": "auto", "tuning": None, "training.early_stopping": None}


@click.command()
@click.option("--methods", default=None, help="Names, with commas between; all with a solver by default.")
def main(methods: str | None) -> None:
    """Train, and print the share of steps in percent."""
    settle()
    asked = methods.split(",") if methods else [name for name, it in Balancing.choices.items() if it.reads_gradients]
    rows = {}
    with TemporaryDirectory() as folder:
        for experiment, prepared in _experiments(Path(folder)):
            rows[experiment.name] = {method: _share(experiment, prepared, method) for method in asked}
            click.echo(
                f"{experiment.name}: " + ", ".join(f"{it} {100 * at:.2f}" for it, at in rows[experiment.name].items())
            )
    table = pd.DataFrame(rows)
    click.echo((100 * table).round(3).to_string())
    sys.exit(int((table > MOST).any(axis=None)))


def _experiments(folder: Path) -> Iterator[tuple[Experiment, Prepared]]:
    for name in SHIPPED:
        yield _prepared(load(name, {}, REPOSITORY), REPOSITORY, folder / name)
    own = folder / "narrow"
    own.mkdir()
    yield _prepared(drafted(NARROW, written(NARROW, 0, own), own, NARROW.settings), own, own)


def _prepared(experiment: Experiment, project: Path, folder: Path) -> tuple[Experiment, Prepared]:
    folder.mkdir(exist_ok=True)
    context = untracked(experiment, folder)
    return experiment, open_prepared(perform(context, Prepare(experiment, project)).folder)


def _share(experiment: Experiment, prepared: Prepared, method: str) -> float:
    """Of the steps of three epochs; NaN where the experiment does not admit the method, or it solves nothing."""
    if len(experiment.tasks) < Balancing.choices[method].min_tasks:
        return float("nan")
    own = with_values(experiment, _EPOCHS | {"balancing": {"method": method}})
    stack = Stack(prepared, [trial_slot(0, own)])
    while stack.running:
        advance(stack)
    return share_of(history(stack.states()))


if __name__ == "__main__":
    main()
