"""A command that several processes share, as torchrun starts them: the first one runs it, the others train along."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pipeline.commands.exit_codes import FAILURE
from pipeline.commands.torchrun import COMMAND, Launch
from pipeline.errors import Failure, UserError
from pipeline.steps.context import Context

if TYPE_CHECKING:
    from pipeline.training.together import Together


@contextmanager
def leading(launched: Launch | None, context: Context) -> Iterator[None]:
    """Meet the other processes, if there are any, and tell them when this one ends."""
    if launched is None:
        yield
        return
    context.ranks, well = _joined(launched, context.console.line), False
    try:
        yield
        well = True
    finally:
        _end(context.ranks, well)


def train_along(launched: Launch, name: str) -> None:
    """Train what the first process says: nothing is read, tracked, written or printed here but why this one fails."""
    if name != COMMAND:
        return  # the first process says why
    interrupted = []
    signal.signal(signal.SIGINT, lambda number, _: interrupted.append(number))  # the first process ends, then this
    from pipeline.training.following import follow

    try:
        well = follow(_joined(launched, lambda line: None))
    except (UserError, Failure) as error:
        if not interrupted:
            raise Failure(f"rank {launched.rank}: {error}") from error
        well = False
    sys.exit(0 if well else 128 + interrupted[0] if interrupted else FAILURE)


def _joined(launched: Launch, log: Any) -> "Together":
    from pipeline.training.together import join

    return join(launched.rank, launched.count, (launched.local_rank, launched.local_count), launched.address, log)


def _end(ranks: "Together", well: bool) -> None:
    from pipeline.training.following import end
    from pipeline.training.together import leave

    if not ranks.lost:
        with suppress(Failure):  # who is gone needs no telling
            end(ranks, well)
    leave()
