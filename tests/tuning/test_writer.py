"""What is written of trials through private parts of Optuna, against what Optuna itself writes."""

import math
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.tuning.storage import connect
from pipeline.tuning.writer import TrialWriter

VALUES = [0.25, math.inf, -math.inf, math.nan, 1e-300]


@pytest.fixture(params=["sqlite:///{}/study.db", "journal://{}/study.log", "memory"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Study:
    storage = None if request.param == "memory" else connect(request.param.format(tmp_path))
    return optuna.create_study(storage=storage)


def asked(study: Study, count: int) -> list[FrozenTrial]:
    for _ in range(count):
        study.ask()
    return study.get_trials(deepcopy=False)[-count:]


def same(found: dict[int, float], wanted: dict[int, float]) -> bool:
    return found.keys() == wanted.keys() and all(
        found[step] == value or (math.isnan(found[step]) and math.isnan(value)) for step, value in wanted.items()
    )


def test_this_is_a_version_that_the_private_parts_were_tried_with() -> None:
    assert optuna.__version__.split(".")[0] == "5"


def test_looks_of_several_trials_are_those_that_optuna_reports(study: Study) -> None:
    theirs = study.ask()
    for step, value in enumerate(VALUES, start=1):
        theirs.report(value, step)
    first, second = asked(study, 2)
    writer = TrialWriter(study)
    writer.report([(trial, step, value) for step, value in enumerate(VALUES, 1) for trial in (first, second)])
    expected, *others = (it.intermediate_values for it in study.get_trials())
    assert all(same(it, dict(expected)) for it in others)
    assert same(dict(expected), dict(enumerate(VALUES, 1)))


def test_looks_that_are_there_already_are_kept_and_the_others_stored(study: Study) -> None:
    (trial,) = asked(study, 1)
    writer = TrialWriter(study)
    writer.report([(trial, 1, 0.5)])
    writer.report([(trial, 1, 0.5), (trial, 2, 0.75)])
    writer.report([])
    assert study.get_trials()[0].intermediate_values == {1: 0.5, 2: 0.75}


def test_a_trial_ends_as_told(study: Study) -> None:
    done, pruned, failed = asked(study, 3)
    writer = TrialWriter(study)
    writer.attributes([(done, {"trial.metrics": {"loss": 0.5}}), (failed, {"a": 1, "b": [0.25, "c"]})])
    writer.attributes([(done, {"trial.metrics": {"loss": 0.25}, "d": None}), (pruned, {})])
    writer.end(done, TrialState.COMPLETE, 0.5)
    writer.end(pruned, TrialState.PRUNED, math.nan)
    writer.end(failed, TrialState.FAIL)
    found = study.get_trials()
    assert [it.state for it in found] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert [it.value for it in found] == [0.5, None, None]
    assert [it.user_attrs for it in found] == [
        {"trial.metrics": {"loss": 0.25}, "d": None}, {}, {"a": 1, "b": [0.25, "c"]},
    ]  # fmt: skip
    assert all(it.datetime_complete for it in found)


def test_a_database_that_is_gone_is_the_storages_failure(tmp_path: Path) -> None:
    study = optuna.create_study(storage=connect(f"sqlite:///{tmp_path}/study.db"))
    (trial,) = asked(study, 1)
    with study._storage._backend.engine.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("DROP TABLE trial_intermediate_values")
    with pytest.raises(StorageInternalError):
        TrialWriter(study).report([(trial, 1, 0.5)])
