"""`headway` with parts switched off that have no switch, and a note of where its time went.

    python -m benchmarks.switches --without tracking --note times.json -- tune mnist_fashion --trials 16

The note is JSON, in seconds: `start_up` until training first began, `training` inside the pool (which trains and
evaluates, and keeps no books), `behind` of processor time that other threads of this process took since, and in all.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click

_STARTED = time.perf_counter()  # imports of the command count as its start-up

from pipeline.cli import cli  # noqa: E402
from pipeline.steps.runs.projection import Projection  # noqa: E402
from pipeline.training.checkpoint import Checkpoint  # noqa: E402
from pipeline.training.workers.pool import WorkerPool  # noqa: E402

PARTS = ("tracking", "checkpoints")
_TRAINING = ("add", "advance", "leave", "states", "remove")


@click.command()
@click.option("--without", multiple=True, type=click.Choice(PARTS))
@click.option("--note", required=True, type=click.Path(path_type=Path))
@click.argument("words", nargs=-1)
def main(without: tuple[str, ...], note: Path, words: tuple[str, ...]) -> None:
    """Run `headway WORDS` and write the NOTE."""
    with ExitStack() as stack:
        for part in without:
            stack.enter_context(_off(part))
        spent = stack.enter_context(_timed_training())
        cli(words, standalone_mode=False)
    spent["seconds"] = time.perf_counter() - _STARTED
    note.write_text(json.dumps(spent))


@contextmanager
def _off(part: str) -> Iterator[None]:
    """Trials get no runs of their own, or nothing is written while training."""
    if part == "tracking":
        with patch.multiple(Projection, batch=_nothing, trial=_nothing):
            yield
    else:
        with patch.multiple(Checkpoint, due=_nothing, write=_nothing):
            yield


def _nothing(*_: Any, **__: Any) -> None:
    """In the place of what is switched off."""


@contextmanager
def _timed_training() -> Iterator[dict[str, float]]:
    """Count the seconds inside a pool, and what other threads take meanwhile."""
    spent = {"start_up": 0.0, "training": 0.0}
    before = 0.0

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal before
            begun = time.perf_counter()
            before = before or _other_threads()
            spent["start_up"] = spent["start_up"] or begun - _STARTED
            answer = method(*args)
            spent["training"] += time.perf_counter() - begun
            return answer

        return call

    with patch.multiple(WorkerPool, **{name: timed(getattr(WorkerPool, name)) for name in _TRAINING}):
        yield spent
    spent["behind"] = _other_threads() - before


def _other_threads() -> float:
    """Processor seconds of the threads beside this one, so far."""
    return time.process_time() - time.thread_time()


if __name__ == "__main__":
    main()
