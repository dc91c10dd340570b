"""Random draws as a function of where they are: nothing carries generator state from one draw to the next.

Every draw is seeded from (seed, stream, epoch, step, purpose), so it is the same whoever the neighbours in the stack
are, and the same after a resume.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_of(*parts: int | str) -> int:
    """A 63-bit seed that depends on every part and their order."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*parts: int | str) -> "torch.Generator":
    """A CPU generator seeded from the parts."""
    import torch

    return torch.Generator().manual_seed(seed_of(*parts))


@lru_cache(maxsize=1024)  # a network and its balancer ask for the same draws
def shares(seed: int, count: int, alpha: float) -> tuple[float, ...]:
    """Shares that sum to 1, from a symmetric Dirichlet distribution of concentration alpha > 0."""
    import numpy as np

    return tuple(np.random.default_rng(seed).dirichlet([alpha] * count).tolist())


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Torch's global generators, of the CPU and of this device, begin at a seed and are then as they were before."""
    import torch

    gpus = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        for it in (torch.default_generator, *(torch.cuda.default_generators[gpu] for gpu in gpus)):
            it.manual_seed(seed)
        yield


@dataclass(frozen=True)
class Stream:
    """One slot's source of chance.

    Attributes:
        seed: Root seed of the experiment.
        name: Whose stream it is, such as `seed/0` or `trial/7`.
    """

    seed: int
    name: str

    def seed_of(self, *where: int | str) -> int:
        """The seed of the draw at `where`: purpose, epoch, step."""
        return seed_of(self.seed, self.name, *where)

    def preference(self, tasks: int, alpha: float, epoch: int, step: int) -> tuple[float, ...]:
        """The preference among so many tasks that a step is for, see `shares`."""
        return shares(self.seed_of("preference", epoch, step), tasks, alpha)
