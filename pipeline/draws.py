"""Stateless random draws: no generator state is carried from one draw to the next.

Every draw is seeded from (seed, stream, epoch, step, purpose), so it is the same whatever else is in the stack, and
after a resume.
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
    """A 63-bit seed that depends on all parts and their order.

    >>> seed_of(0, "trial/7", "dropout", 1) == seed_of(0, "trial/7", "dropout", 2)
    False
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*parts: int | str) -> "torch.Generator":
    """A CPU generator seeded from the parts."""
    import torch

    return torch.Generator().manual_seed(seed_of(*parts))


@lru_cache(maxsize=1024)  # a network and its balancer use the same draws
def shares(seed: int, count: int, alpha: float) -> tuple[float, ...]:
    """Shares that sum to 1, from a symmetric Dirichlet distribution of concentration alpha > 0."""
    import numpy as np

    return tuple(np.random.default_rng(seed).dirichlet([alpha] * count).tolist())


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seed torch's global generators, of the CPU and of a device, in this block; their state is restored after it."""
    import torch

    gpus = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        for default in (torch.default_generator, *(torch.cuda.default_generators[gpu] for gpu in gpus)):
            default.manual_seed(seed)
        yield


@dataclass(frozen=True)
class Stream:
    """The random stream of one slot.

    Attributes:
        seed: Root seed of the experiment.
        name: Name of the stream, such as `seed/0` or `trial/7`.
    """

    seed: int
    name: str

    def seed_of(self, *where: int | str) -> int:
        """The seed of a draw, given by its purpose, epoch and step."""
        return seed_of(self.seed, self.name, *where)

    def preference(self, tasks: int, alpha: float, epoch: int, step: int) -> tuple[float, ...]:
        """The preference among so many tasks that is sampled for a step, see `shares`."""
        return shares(self.seed_of("preference", epoch, step), tasks, alpha)
