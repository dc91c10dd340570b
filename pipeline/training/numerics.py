"""Settings of the process on which the values depend; every process that trains or evaluates makes them first."""

import torch


def settle() -> None:
    """One thread (two change the order of sums), and denormals flushed (they slow Adam's moments by a tenth)."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
