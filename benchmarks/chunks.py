"""What it costs to train each batch in chunks on one process: CPU time a step, of one thread.

The network is 784-128-10 for two tasks, on made-up images; whole batches and chunks take turns, and of each the least
time counts.

    python -m benchmarks.chunks [--batch-size N]... [--rounds N]
"""

import time
from collections.abc import Sequence

import click
import pandas as pd

from benchmarks.common.data import data_folder
from benchmarks.networks import Case, flagship
from pipeline.config import with_values
from pipeline.training.loop import train
from pipeline.training.numerics import settle
from pipeline.training.slot import seed_slots
from pipeline.training.stack.stack import Stack

CHUNKS = (1, 2, 4, 8)
_ROWS = (8192, 64)


@click.command()
@click.option("--batch-size", "sizes", multiple=True, type=int, default=(64, 512, 4096), show_default=True)
@click.option("--rounds", default=8, show_default=True)
def main(sizes: Sequence[int], rounds: int) -> None:
    """Time steps of each batch size in so many rounds."""
    settle()
    with data_folder(None, _ROWS) as data, flagship(data) as case:
        table = pd.DataFrame([row for size in sizes for row in timed(case, size, rounds)])
    click.echo(table.to_string(index=False))


def timed(case: Case, size: int, rounds: int) -> list[dict[str, float]]:
    """A row a number of chunks: milliseconds a step, and how much a further chunk adds."""
    stacks = {}
    for chunks in CHUNKS:
        experiment = with_values(
            case.experiment,
            {"training.batch_size": size, "training.chunks": chunks, "training.seeds": 1},
        )
        stacks[chunks] = Stack(case.prepared, seed_slots(experiment, case.prepared))
    least = dict.fromkeys(stacks, float("inf"))
    for _ in range(rounds):
        for chunks, stack in stacks.items():
            start = time.thread_time()
            train(stack)
            least[chunks] = min(least[chunks], (time.thread_time() - start) * 1e3 / stack.batches.steps)
    return [
        {
            "batch_size": size,
            "chunks": chunks,
            "ms": round(ms, 2),
            "of_whole": round(ms / least[1], 2),
            "ms_a_chunk": round((ms - least[1]) / max(chunks - 1, 1), 2),
        }
        for chunks, ms in least.items()
    ]


if __name__ == "__main__":
    main()
