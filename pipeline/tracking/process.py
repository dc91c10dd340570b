"""The identity of a run's process, to detect runs whose process has ended."""

import os
import socket
from pathlib import Path


def identity() -> str:
    """Identity of this process: host, boot of the machine, process ID and start time."""
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}"


def described(process: str) -> str:
    """A process by its identity, for people."""
    machine, pid, _ = process.rsplit(":", 2)
    return f"process {pid} on {machine.split('@')[0]}"


def is_here(process: str) -> bool:
    """Whether a process runs, or ran, on this machine since it was started."""
    return process.rsplit(":", 2)[0] == _machine()


def is_gone(process: str) -> bool:
    """Whether a process of this machine has ended; False for processes of other machines, as it is not known."""
    machine, pid, started = process.rsplit(":", 2)
    if machine.split("@")[0] != _machine().split("@")[0]:
        return False
    return machine != _machine() or _started(int(pid)) != started


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}@{boot.read_text().strip() if boot.is_file() else ''}"


def _started(pid: int) -> str:
    """Start time of a process in clock ticks, or `gone`."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "gone"
    fields = stat.rsplit(")", 1)[1].split()
    return "gone" if fields[0] == "Z" else fields[19]
