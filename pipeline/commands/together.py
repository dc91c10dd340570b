"""A command that several processes share, as torchrun starts them: the first one runs it, the others train along."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    from pipeline.training.following import end
    from pipeline.training.together import leave

    context.ranks = ranks = _joined(launched, context.console.line)
    try:
        yield
    except BaseException:
        ranks.give_up()
        raise
    end(ranks)
    leave()


def train_along(launched: Launch, name: str) -> None:
    """Train what the first process says: nothing is read, tracked, written or printed here but why this one fails."""
    if name != COMMAND:
        return  # the first process says why
    interrupted = []
    signal.signal(signal.SIGINT, lambda number, _: interrupted.append(number))  # the first process ends, then this
    from pipeline.training.following import follow
    from pipeline.training.together import leave

    ranks = None
    try:
        ranks = _joined(launched, lambda line: None)
        follow(ranks)
        leave()
    except (UserError, Failure) as error:
        if interrupted:
            sys.exit(128 + interrupted[0])
        if ranks and ranks.given_up:
            sys.exit(FAILURE)
        raise Failure(f"rank {launched.rank}: {error}") from error


def _joined(launched: Launch, log: Any) -> "Together":
    from pipeline.training.together import join

    return join(launched.rank, launched.count, (launched.local_rank, launched.local_count), launched.address, log)
