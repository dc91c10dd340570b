"""A process can be told from one that is gone."""

import subprocess
import sys

from pipeline.tracking.process import identity, is_gone


def test_this_process_is_not_gone() -> None:
    assert not is_gone(identity())


def test_a_process_that_ended_is_gone() -> None:
    program = "from pipeline.tracking.process import identity; print(identity())"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert is_gone(ended)


def test_another_process_of_the_same_number_is_not_taken_for_it() -> None:
    machine, pid, _ = identity().rsplit(":", 2)
    assert is_gone(f"{machine}:{pid}:1")


def test_before_a_restart_of_the_machine_everything_is_gone() -> None:
    machine, rest = identity().split("@")
    assert is_gone(f"{machine}@another-start:{rest.split(':', 1)[1]}")


def test_of_another_machine_nothing_is_said() -> None:
    assert not is_gone("elsewhere@boot:1:1")
