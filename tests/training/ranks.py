"""Processes that train a network together, forked from the test's own: they import nothing anew."""

import multiprocessing
import os
import pickle
import traceback
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch.distributed as dist

from pipeline.data.prepared import Prepared
from pipeline.training.loop import advance
from pipeline.training.ranks import Ranks
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.stack import Stack
from pipeline.training.together import Together
from tests.training.made import by_name

_PATIENCE_S = 60


def each_rank(count: int, folder: Path, work: Callable[[Ranks], Any]) -> list[Any]:
    """What so many processes answer, which have met.

    Args:
        count: How many.
        folder: For files of their own.
        work: Called in each.
    """
    context = multiprocessing.get_context("fork")
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which these never wait for
        processes = [context.Process(target=_work, args=(rank, count, folder, work)) for rank in range(count)]
        for process in processes:
            process.start()
    for process in processes:
        process.join(_PATIENCE_S)
        process.kill()
    said = [path.read_text() for path in folder.glob("*.error")]
    assert not said, said[0]
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(count)]


def trained_by(
    count: int,
    folder: Path,
    prepared: Prepared,
    slots: Sequence[Slot],
    states: dict[str, SlotState] | None = None,
    looks: int = 99,
) -> list[dict[str, SlotState]]:
    """The states by name that each of so many processes has, after so many looks or at the end."""

    def work(ranks: Ranks) -> dict[str, SlotState]:
        stack, left = Stack(prepared, slots, states, ranks=ranks), looks
        while stack.running and left:
            advance(stack)
            left -= 1
        return by_name(stack)

    return each_rank(count, folder, work)


def _work(rank: int, count: int, folder: Path, work: Callable[[Ranks], Any]) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    try:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{folder}/meet",
            rank=rank,
            world_size=count,
            timeout=timedelta(seconds=_PATIENCE_S / 2),
        )
        found = work(Together())
        (folder / f"{rank}.pickle").write_bytes(pickle.dumps(found))
        dist.barrier()  # who ends first would be missed
    except BaseException:
        (folder / f"{rank}.error").write_text(traceback.format_exc())
    os._exit(0)
