"""What it costs that every row tests: ten networks as 5 folds x 2, against ten seeds on one split, in user CPU seconds.

The table is made up, of the shape of a small one: four numbers and two words with gaps, three targets. The two take
turns on one thread; one round first is not counted.

    python -m benchmarks.outer_folds [--rows N]... [--pairs K]
"""

import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import numpy as np
import pandas as pd

from pipeline.config import Experiment, load, with_values
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.training.loop import fit
from pipeline.training.slot import seed_slots
from pipeline.training.workers.pool import WorkerPool

NETWORKS = 10
SIDES = {"one split": {"data.test": 0.2}, "5 folds x 2": {"data.test": {"folds": 5, "repeats": 2}}}
_GAPS = 0.02  # of the numbers


@click.command()
@click.option("--rows", "sizes", multiple=True, type=int, default=(344, 2_000), show_default=True)
@click.option("--pairs", default=6, show_default=True)
def main(sizes: Sequence[int], pairs: int) -> None:
    """Prepare and train both ways in turns, and show how often as much the second costs."""
    found = [row for rows in sizes for row in _compared(rows, pairs)]
    click.echo(pd.DataFrame(found).round(3).to_string(index=False))


def made(rows: int) -> pd.DataFrame:
    """Numbers and words, with gaps; a class, a yes or no and a number that follow from them under noise."""
    draws = np.random.default_rng(0)
    numbers, words = draws.normal(size=(rows, 4)), draws.integers(0, 3, size=(rows, 2))
    told = np.tanh(numbers @ draws.normal(size=(4, 5))) + 0.3 * words.sum(1, keepdims=True)
    told += 0.3 * draws.normal(size=told.shape)
    numbers[draws.random(numbers.shape) < _GAPS] = np.nan
    frame = pd.DataFrame(numbers, columns=[f"number_{place}" for place in range(4)])
    frame[["island", "year"]] = np.array(["east", "north", "west"])[words]
    frame["class"] = np.array(["a", "b", "c"])[told[:, :3].argmax(1)]
    frame["large"] = np.where(told[:, 3] > np.median(told[:, 3]), "yes", "no")
    frame["size"] = told[:, 4]
    return frame


def _compared(rows: int, pairs: int) -> list[dict[str, float | str]]:
    """Seconds of both sides, and their ratio, of preparing and of training."""
    spent: dict[tuple[str, str], list[float]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        experiment = _drafted(rows, folder)
        for turn in range(pairs + 1):
            for side in sorted(SIDES, reverse=bool(turn % 2)):
                own = with_values(experiment, SIDES[side])
                arrays = folder / f"{side}-{turn}"
                arrays.mkdir()
                preparing = _user_s(lambda own=own, arrays=arrays: _prepare(own, folder, arrays))  # type: ignore[misc]
                data = open_prepared(arrays)
                training = _user_s(lambda own=own, data=data: _train(own, data))  # type: ignore[misc]
                if turn:
                    spent.setdefault(("prepare", side), []).append(preparing)
                    spent.setdefault(("train", side), []).append(training)
    one, folds = SIDES
    shown: list[dict[str, float | str]] = []
    for what in ("prepare", "train"):
        ratios = [more / less for more, less in zip(spent[what, folds], spent[what, one], strict=True)]
        seconds = {side: median(spent[what, side]) for side in SIDES}
        found = {"ratio": median(ratios), "lowest": min(ratios), "highest": max(ratios)}
        shown.append({"rows": rows, "what": what, **seconds, **found})
    return shown


def _drafted(rows: int, folder: Path) -> Experiment:
    table, file = folder / "table.csv", folder / "table.yaml"
    made(rows).to_csv(table, index=False)
    targets = parse("class:multiclass,large:binary,size:regression")
    file.write_text(draft_table(table, targets, "table", folder))
    return load(str(file), {"training.seeds": NETWORKS, "tuning": None}, folder)


def _prepare(experiment: Experiment, folder: Path, arrays: Path) -> None:
    prepare(experiment, Place("sample", folder, None, folder, folder), arrays, lambda _: None)


def _train(experiment: Experiment, prepared: Prepared) -> None:
    with WorkerPool(1) as pool:
        fit(pool, prepared, seed_slots(experiment, prepared), lambda _: [])


def _user_s(work: Callable[[], None]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
