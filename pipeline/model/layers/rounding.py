"""Products of float32 matrices whose factors the library rounds to bfloat16 itself, which copies nothing.

It does so on processors with matrix units (AMX), at twice the speed of float32; on others the setting changes nothing,
and products of copies are the faster way.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def has_units() -> bool:
    """Whether this processor has matrix units of bfloat16."""
    return bool(torch.cpu._is_amx_tile_supported())


@contextmanager
def rounded() -> Iterator[None]:
    """Let oneDNN round the factors of what is multiplied inside; sums stay float32."""
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before
