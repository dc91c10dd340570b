"""The probe tells kernels apart, and is the same wherever they are."""

import os
import subprocess
import sys

import pytest
import torch

from pipeline.training.workers.ray.bits import bits
from tests.conftest import REPOSITORY


def elsewhere(**env: str) -> str:
    program = "from pipeline.training.workers.ray.bits import bits; print(bits('cpu'))"
    settings = os.environ | {"PYTHONPATH": str(REPOSITORY)} | env
    return subprocess.run([sys.executable, "-c", program], env=settings, capture_output=True, text=True).stdout.strip()


def test_the_bits_of_a_process_are_those_of_another() -> None:
    assert bits("cpu") == bits("cpu") == elsewhere(ATEN_CPU_CAPABILITY=os.environ.get("ATEN_CPU_CAPABILITY", ""))


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="these are the plainest kernels")
def test_other_kernels_have_other_bits() -> None:
    assert elsewhere(ATEN_CPU_CAPABILITY="default") not in ("", bits("cpu"))
