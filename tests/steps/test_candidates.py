"""The arms of the whole job: the shared network and each task alone, tuned alike."""

from typing import Any

from pipeline.config import Experiment, load
from pipeline.steps.candidates import MOST_ALONE, job_arms
from tests.conftest import REPOSITORY


def experiment(name: str = "debug", **values: Any) -> Experiment:
    return load(name, {key.replace("__", "."): value for key, value in values.items()}, REPOSITORY)


def test_the_jobs_arms_are_the_experiment_as_it_opens_itself_and_each_task_alone_over_the_same_settings() -> None:
    sgd = {"when": {"training.optimizer": "sgd"}}
    space = {
        "balancing.method": {"choice": ["fixed", "upgrad"]},
        "balancing.weights": {"when": {"balancing.method": "fixed"}, "simplex": True},
        "training.optimizer": {"choice": ["sgd", "adam"]},
        "training.momentum": sgd | {"float": [0.0, 0.9]},
        "training.learning_rate": {"when": {"balancing.method": "fixed"}, "float": [0.01, 0.02]},
    }
    shared, *alone = job_arms(experiment(tuning__space=space, tuning__replicates=4, tuning__trials=8))
    assert [arm.title for arm in alone] == ["single digit", "single parity"]
    assert set(shared.experiment.tuning.space) == set(space)  # type: ignore[union-attr]
    for arm in alone:
        tuning = arm.experiment.tuning
        assert tuning is not None
        assert set(tuning.space) == {"training.optimizer", "training.momentum", "training.learning_rate"}
        assert not tuning.space["training.learning_rate"].when
        assert tuning.space["training.momentum"].when
        assert (arm.experiment.training.seeds, arm.experiment.trials, arm.experiment.replicates) == (4, 8, 4)


def test_a_task_alone_with_nothing_to_search_has_no_study() -> None:
    shared, *alone = job_arms(experiment(tuning__space={"balancing.weights": "simplex"}))
    assert shared.experiment.tuning is not None
    assert [arm.experiment.tuning for arm in alone] == [None, None]
    assert {arm.experiment.training.seeds for arm in alone} == {2}


def test_many_tasks_alone_have_one_study_together() -> None:
    tasks = {f"t{number}": {"kind": "binary", "source": "digits"} for number in range(MOST_ALONE + 1)}
    (together,) = job_arms(experiment(tasks=tasks))[1:]
    assert (together.title, together.task) == ("single", None)
    assert together.experiment.model.sharing.kind == "separate"
    assert len(together.experiment.tasks) == MOST_ALONE + 1
    assert "balancing.weights" not in together.experiment.tuning.space  # type: ignore[union-attr]
    few = dict(list(tasks.items())[:MOST_ALONE])
    assert len(job_arms(experiment(tasks=few))) == MOST_ALONE + 1


def test_without_baselines_or_a_study_there_are_fewer_arms() -> None:
    assert job_arms(experiment(tuning=None)) == []
    assert [arm.title for arm in job_arms(experiment(baselines__single=False))] == ["tuned"]
