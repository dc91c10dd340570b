"""What a step of training costs: time and memory of one network by itself, which differ with the balancing method."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline.analysis.measured import interleaved
from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.training.loop import train
from pipeline.training.slot import trial_slot
from pipeline.training.stack.stack import Stack
from pipeline.training.workers.calibration import few, step_samplers

_A_NETWORK_S, _ENOUGH_S = 0.3, 3.0


@dataclass(frozen=True)
class StepCost:
    """What one network costs.

    Attributes:
        step_us: Microseconds of a step, one thread: median of repeats that take turns with those of all others.
        step_low_us: What a tenth of the repeats are below.
        step_high_us: What a tenth of the repeats are above.
        memory_bytes: Most that its tensors take at a time, values, optimizer and activations together.
    """

    step_us: float
    step_low_us: float
    step_high_us: float
    memory_bytes: int


def step_costs(trained: Sequence[tuple[Prepared, Experiment]]) -> list[StepCost]:
    """The cost of each of several networks, which take turns.

    Args:
        trained: Data, seen through the tasks that are trained, and settings.
    """
    times = interleaved(step_samplers(trained), min(_ENOUGH_S, _A_NETWORK_S * len(trained)))
    return [
        StepCost(1e6 * time.median, 1e6 * time.low, 1e6 * time.high, _peak(*it))
        for time, it in zip(times, trained, strict=True)
    ]


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
