"""Which process a run belongs to, so that a run whose process is gone can be told from one that still works."""

import os
import socket
from pathlib import Path


def identity() -> str:
    """This process: host, start of the machine, process number and start of the process."""
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether a process of this machine has ended; of other machines nothing is known, so False."""
    machine, pid, started = process.rsplit(":", 2)
    if machine.split("@")[0] != _machine().split("@")[0]:
        return False
    return machine != _machine() or _started(int(pid)) != started


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}@{boot.read_text().strip() if boot.is_file() else ''}"


def _started(pid: int) -> str:
    """Clock ticks at which the process started, or `gone`."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "gone"
    fields = stat.rsplit(")", 1)[1].split()
    return "gone" if fields[0] == "Z" else fields[19]
