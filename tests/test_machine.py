"""What a container allows counts, not what the machine under it has."""

import os
from pathlib import Path

import pytest

from pipeline.machine import available_memory, cores, processor

GIB = 2**30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with 8 GiB left, and no control groups."""
    write(tmp_path, "proc/meminfo", f"MemTotal: 999 kB\nMemAvailable: {8 * GIB // 1024} kB\n")
    write(tmp_path, "proc/cpuinfo", "processor : 0\nmodel name : A Fine CPU\nflags : fpu\n")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def affinity() -> int:
    return len(os.sched_getaffinity(0))


def test_without_control_groups_the_machine_counts(root: Path) -> None:
    assert cores(root) == affinity()
    assert available_memory(root) == 8 * GIB
    assert processor(root) == "A Fine CPU"


def test_version_2_groups_above_this_one_limit_it_too(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/outer/inner\n")
    write(root, "sys/fs/cgroup/outer/inner/memory.max", "max\n")
    write(root, "sys/fs/cgroup/outer/memory.max", f"{3 * GIB}\n")
    write(root, "sys/fs/cgroup/outer/memory.current", f"{2 * GIB}\n")
    write(root, "sys/fs/cgroup/outer/memory.stat", f"anon 5\ninactive_file {GIB}\n")
    write(root, "sys/fs/cgroup/outer/cpu.max", "150000 100000\n")
    assert available_memory(root) == 2 * GIB
    assert cores(root) == 1


def test_version_1_groups_limit_it(root: Path) -> None:
    write(root, "proc/self/cgroup", "4:memory:/job\n1:cpu,cpuacct:/job\n0::/\n")
    write(root, "sys/fs/cgroup/memory/job/memory.limit_in_bytes", f"{GIB}\n")
    write(root, "sys/fs/cgroup/memory/job/memory.usage_in_bytes", f"{GIB // 2}\n")
    write(root, "sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 0\n")
    write(root, "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n")
    write(root, "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n")
    assert available_memory(root) == GIB // 2
    assert cores(root) == affinity()


def test_a_group_that_cannot_be_seen_from_here_is_passed_over(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/not/mounted/here\n")
    write(root, "sys/fs/cgroup/memory.max", f"{GIB}\n")
    write(root, "sys/fs/cgroup/memory.current", "0\n")
    assert available_memory(root) == GIB


def test_a_quota_below_one_core_leaves_one(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/\n")
    write(root, "sys/fs/cgroup/cpu.max", "50000 100000\n")
    assert cores(root) == 1


def test_this_machine_answers() -> None:
    assert cores() >= 1
    assert available_memory() > 0
    assert processor()
