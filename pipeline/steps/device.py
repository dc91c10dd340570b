"""Which device `auto` means, asked of the driver: torch is not imported to find out."""

import ctypes

from pipeline.config import Experiment
from pipeline.errors import UserError


def resolve_device(experiment: Experiment) -> str:
    """`cpu` or `cuda`.

    Raises:
        UserError: `cuda` is asked for and the driver reports no GPU, or the stack cannot train there yet.
    """
    if experiment.device == "cuda":
        if not _gpus():
            raise UserError("device=cuda: the driver reports no GPU here; use device=cpu or auto")
        raise UserError("device=cuda: stacks train on the CPU so far; use device=cpu or auto")
    return "cpu"


def _gpus() -> int:
    """Number of GPUs that the CUDA driver reports; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
