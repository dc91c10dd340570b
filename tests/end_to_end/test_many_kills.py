"""2,000 short trials over eight hosts, one of which is killed every ten seconds: nothing is lost, or done twice."""

import random
import signal
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest

from pipeline.tracking import tags
from tests.end_to_end.one_study import Study, at_work, begun
from tests.training.workers.ray.made import end

pytest.importorskip("ray")

TRIALS, HOSTS, EVERY_S, SEED = 2_000, 8, 10.0, 24
STUDY = (
    "tune", "digits", "--set", f"tuning.trials={TRIALS}", "--set", "tuning.sampler=random", "--set", "tuning.batch=40",
    "--set", "tuning.batches_in_flight=2", "--set", "training.epochs=2",
)  # fmt: skip


@pytest.mark.slow
def test_of_2000_trials_on_hosts_that_are_killed_none_is_lost_or_told_twice(project: Path) -> None:
    study = Study(project, "--engine", "ray", "--set", f"processes={HOSTS}", words=STUDY)
    draws, killed = random.Random(SEED), 0
    while study.command.poll() is None:
        with suppress(AssertionError):  # it has ended meanwhile
            if training := at_work(study.actors()) or begun(study.actors()):
                end(draws.choice(training), signal.SIGKILL)
                killed += 1
        with suppress(Exception):
            study.command.wait(EVERY_S)
    done = study.result()
    assert done.code == 0, done
    assert killed > 5
    assert " is lost: its process ended: its " in done.out
    with closing(sqlite3.connect(project / "optuna.db")) as database:
        trials = database.execute("SELECT trial_id, number, state FROM trials").fetchall()
        values = database.execute("SELECT trial_id, step FROM trial_intermediate_values").fetchall()
    assert sorted(number for _, number, _ in trials) == [*range(TRIALS)]
    assert {state for _, _, state in trials} == {"COMPLETE"}
    assert Counter(values) == Counter((trial, step) for trial, _, _ in trials for step in (1, 2))
    with closing(sqlite3.connect(project / "mlflow.db")) as database:
        statuses = Counter(database.execute("SELECT status FROM runs"))
        told = database.execute("SELECT value FROM tags WHERE key = ?", [tags.TRIAL_NUMBER]).fetchall()
    assert {status for (status,) in statuses} == {"FINISHED"}
    assert sorted(int(number) for (number,) in told) == [*range(TRIALS)]
