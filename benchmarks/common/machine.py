"""The machine at hand, in words, and what its cores can do at best."""

import os
import platform
import time
from pathlib import Path
from typing import Any

import torch

from pipeline.machine import processor

_UNITS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_SIDES = (512, 768, 1024)


def describe() -> dict[str, Any]:
    """Processor, cores, memory, versions, load, and the peak of one core in GFLOP/s."""
    return {
        "processor": processor(),
        "units": [unit for unit in _UNITS if unit in _field("flags").split()],
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load_before": os.getloadavg()[0],
        "peak_gflops": {str(kind).removeprefix("torch."): peak(kind) / 1e9 for kind in (torch.float32, torch.bfloat16)},
    }


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


def peak(kind: torch.dtype = torch.float32, tries: int = 5) -> float:
    """The best floating-point operations a second of square matrix products on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = 0.0
    for side in _SIDES:
        a, b, c = (torch.rand(side, side).to(kind) for _ in range(3))
        for _ in range(tries):
            start = time.process_time()
            torch.mm(a, b, out=c)
            best = max(best, 2.0 * side**3 / (time.process_time() - start))
    torch.set_num_threads(threads)
    return best


def in_words(about: dict[str, Any]) -> str:
    """One line."""
    peaks = ", ".join(f"{value:.0f} GFLOP/s {kind}" for kind, value in about["peak_gflops"].items())
    return (
        f"{about['cores']} cores of {about['processor']} ({', '.join(about['units'])}), {about['memory_gib']} GiB, "
        f"torch {about['torch']}, Python {about['python']}; products on one core at best {peaks}; "
        f"load before {about['load_before']:.1f}"
    )


def _field(name: str) -> str:
    """A field of the first processor in /proc/cpuinfo; empty where it does not say."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
