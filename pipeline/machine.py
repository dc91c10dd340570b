"""Cores and memory of this machine, within the limits of a container.

Limits are those of Linux control groups, versions 1 and 2.
"""

import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def cores(root: Path = _ROOT) -> int:
    """Cores that this process may use: those it may run on, or fewer where its group has a quota of their time."""
    quotas = [quota for folder in _groups("cpu", root) if (quota := _quota(folder))]
    return max(1, math.floor(min([len(os.sched_getaffinity(0)), *quotas])))


def load() -> float:
    """Processes that wanted a core, on average over the last minute."""
    return os.getloadavg()[0]


def available_memory(root: Path = _ROOT) -> int:
    """Bytes that can still be taken without pushing anything out of memory but caches."""
    meminfo = _pairs(root / "proc/meminfo")
    return max(0, min([meminfo["MemAvailable:"] * 1024, *_left(root)]))


def processor(root: Path = _ROOT) -> str:
    """The processor's name."""
    lines = (line.partition(":") for line in _text(root / "proc/cpuinfo").splitlines())
    entries = {key.strip(): value.strip() for key, _, value in lines}
    return entries.get("model name") or platform.processor() or platform.machine()


def _left(root: Path) -> Iterator[int]:
    """What each memory group above this process may still take; caches give way."""
    for folder in _groups("memory", root):
        stat = _pairs(folder / "memory.stat")
        for limit, used, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most = _text(folder / limit).strip()
            if most.isdigit():
                yield int(most) - int(_text(folder / used)) + stat.get(cache, 0)


def _quota(folder: Path) -> float | None:
    """Cores' worth of time that a group may use."""
    words = _text(folder / "cpu.max").split() or [
        _text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")
    ]
    return int(words[0]) / int(words[1]) if words[0].isdigit() and int(words[0]) else None


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of this process's group and of those above it, as far as they can be seen from here."""
    mount = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = mount / controllers if controllers else mount
        group = top / path.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(top) and folder.is_dir())


def _pairs(path: Path) -> dict[str, int]:
    """The lines of a file that begin with a name and a whole number."""
    words = (line.split() for line in _text(path).splitlines())
    return {it[0]: int(it[1]) for it in words if len(it) > 1 and it[1].isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
