"""A stand-in for CUDA graphs on the CPU: what torch is asked to do is noted, and done again on the same memory.

As with a graph no Python runs in a replay, so whatever a step takes from the host is frozen, and shows as a difference.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WAITS = ("_local_scalar_dense", "nonzero", "lift_fresh", "_unique", "masked_select", "equal", "is_nonzero")
"""What a graph cannot hold: values that the host reads or brings."""


class Tape(TorchDispatchMode):
    """Records calls while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[Any, Any, Any, Any]] = []
        self._fresh = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func._schema.name.removeprefix("aten::") not in _WAITS, f"{func} makes the host wait"
        out = func(*args, **(kwargs or {}))
        self._calls.append((func, args, kwargs or {}, out))
        return out

    def replay(self) -> None:
        """Do it all again; for the first time, since recording a graph does nothing."""
        if self._fresh:
            self._fresh = False
            return
        for func, args, kwargs, out in self._calls:
            for old, new in zip(tree_leaves(out), tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


@contextmanager
def tape() -> Iterator[Callable[[], None]]:
    """A `Record`."""
    with torch.no_grad(), Tape() as it:
        yield it.replay
