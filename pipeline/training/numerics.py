"""Settings of the process on which the values depend; every process that trains or evaluates makes them first."""

import os
from typing import Any

import torch
from threadpoolctl import threadpool_limits

_before: list[tuple[int, str, bool, Any]] = []
"""Threads, precision and TF32 before the first `settle`, and what gives the threads of BLAS back."""


def settle() -> None:
    """One thread (two change the order of sums), and denormals flushed (they slow Adam's moments by a tenth).

    One thread for numpy's products and decompositions, too: beside busy processes two of them wait for one another,
    which doubled the time of a step that balances 40 tasks.

    On a GPU float32 means float32: matrix products and convolutions do not fall back to TF32's ten bits. Who wants its
    matrix units asks for `precision: bfloat16`, which rounds the factors and adds up in float32.
    """
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    blas = threadpool_limits(1, "blas")
    if not _before:
        _before.append((threads, precision, torch.backends.cudnn.allow_tf32, blas))
    torch.set_num_threads(1)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of those that scipy loads later
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def give_back() -> None:
    """Undo `settle`, for programs that go on with work of their own; denormals are kept, as in a new process."""
    while _before:
        threads, precision, tf32, blas = _before.pop()
        torch.set_num_threads(threads)
        blas.restore_original_limits()
        torch.set_flush_denormal(False)
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = tf32
