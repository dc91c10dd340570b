"""Ends a process together with its parent, on systems that support it."""

import ctypes
import os

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: int, parent: int) -> bool:
    """Let the system send this process a signal when its parent ends (Linux only; elsewhere nothing happens).

    The signal is sent when the thread that started this process ends, so it must be the parent's main thread.

    Args:
        number: Number of the signal.
        parent: Process ID of the parent.

    Returns:
        Whether the parent is still running.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, number)
    return os.getppid() == parent
