"""How long a process lives: no longer than its parent, where the system can see to that."""

import ctypes
import os

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: int, parent: int) -> bool:
    """Have this process sent a signal when its parent ends (Linux only; elsewhere it lives on).

    The signal comes when the thread that started this process ends, so a parent starts it from its main thread.

    Args:
        number: Of the signal.
        parent: Process number of the parent.

    Returns:
        Whether the parent still lives.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, number)
    return os.getppid() == parent
