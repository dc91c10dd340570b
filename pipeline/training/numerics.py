"""Settings of the process on which the values depend; every process that trains or evaluates makes them first."""

import torch


def settle() -> None:
    """One thread (two change the order of sums), and denormals flushed (they slow Adam's moments by a tenth).

    On a GPU float32 means float32: matrix products and convolutions do not fall back to TF32's ten bits. Who wants its
    matrix units asks for `precision: bfloat16`, which rounds the factors and adds up in float32.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
