"""Settings of the process on which the values depend; every process that trains or evaluates makes them first."""

import os

import torch
from threadpoolctl import threadpool_limits


def settle() -> None:
    """One thread (two change the order of sums), and denormals flushed (they slow Adam's moments by a tenth).

    One thread for numpy's products and decompositions, too: beside busy processes two of them wait for one another,
    which doubled the time of a step that balances 40 tasks.

    On a GPU float32 means float32: matrix products and convolutions do not fall back to TF32's ten bits. Who wants its
    matrix units asks for `precision: bfloat16`, which rounds the factors and adds up in float32.
    """
    torch.set_num_threads(1)
    threadpool_limits(1, "blas")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of those that scipy loads later
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
