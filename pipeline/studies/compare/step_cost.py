"""What a step of training costs: time and memory of one network by itself, which differ with the balancing method."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.training.loop import train
from pipeline.training.slot import trial_slot
from pipeline.training.stack.stack import Stack
from pipeline.training.workers.calibration import few, step_seconds


@dataclass(frozen=True)
class StepCost:
    """What one network costs.

    Attributes:
        step_us: Microseconds of a step, one thread.
        memory_bytes: Most that its tensors take at a time, values, optimizer and activations together.
    """

    step_us: float
    memory_bytes: int


def step_costs(trained: Sequence[tuple[Prepared, Experiment]]) -> list[StepCost]:
    """The cost of each of several networks, which take turns.

    Args:
        trained: Data, seen through the tasks that are trained, and settings.
    """
    times = step_seconds(trained)
    return [StepCost(1e6 * time, _peak(*it)) for time, it in zip(times, trained, strict=True)]


def _peak(prepared: Prepared, experiment: Experiment) -> int:
    """Bytes of tensors at the most while two steps are trained."""
    prepared, experiment = few(prepared, experiment, 2)
    if experiment.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        train(Stack(prepared, [trial_slot(0, experiment)]))
        return torch.cuda.max_memory_allocated() - before
    allocated = _Allocated()
    with allocated:
        train(Stack(prepared, [trial_slot(0, experiment)]))
    return allocated.peak


class _Allocated(TorchDispatchMode):
    """Counts the bytes of the storages that operations make, as long as they live.

    Attributes:
        peak: Most at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return
        self._seen.add(key)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self._now -= size
