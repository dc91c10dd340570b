"""A study on a cluster of its own ends whole with its command; wrong addresses are said. Tables: `test_one_table`."""

import signal
import time
from pathlib import Path

import pytest

from tests.conftest import Headway
from tests.end_to_end.one_study import LONG_S, STUDY, Study
from tests.training.workers.ray.made import children, is_running, until

pytest.importorskip("ray")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_ended_leaves_nothing_running(project: Path, number: signal.Signals) -> None:
    study = Study(project, "--set", "training.epochs=4000", "--engine", "ray")
    until(study.actors, LONG_S)
    time.sleep(3.0)
    began = children(study.command.pid)
    assert len(began) > 4
    study.command.send_signal(number)
    done = study.result(30.0)
    if number != signal.SIGKILL:
        assert (done.code, done.err) == (128 + number, "headway: interrupted; add --resume to go on\n")
    # Killed itself, it cannot end Ray's two agents, which notice a minute later.
    until(lambda: not any(map(is_running, began)), 100.0 if number == signal.SIGKILL else 30.0)


def test_an_address_is_of_an_engine_and_a_cluster_answers_there(project: Path, headway: Headway) -> None:
    wrong = headway(*STUDY, "--address", "auto")
    assert (wrong.code, wrong.err) == (
        2,
        "headway: --address auto is of a Ray cluster: add --engine ray, or leave it out\n",
    )
    absent = headway(*STUDY, "--engine", "ray", "--address", "127.0.0.1:1")
    assert absent.code == 1
    assert absent.err.startswith("headway: --address 127.0.0.1:1: nothing can be reached there (connection refused)")
    assert not Path(".headway/outputs").exists()
