from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from pipeline.errors import Failure
from pipeline.tuning.study import REASON, VALUES, describe, difference, open_study, shares, table, winners

from .studies import digits, study_in


def study_of(*trials: tuple[TrialState, float | None, str | None]) -> Study:
    study = optuna.create_study(direction="maximize")
    for state, value, reason in trials:
        attrs = {REASON: reason} if reason else {}
        study.add_trial(create_trial(state=state, value=value, user_attrs=attrs))
    return study


def test_the_winner_is_the_best_complete_trial_and_the_first_of_equal_ones() -> None:
    study = study_of(
        (TrialState.COMPLETE, 0.1, None),
        (TrialState.PRUNED, 0.9, "pruned"),
        (TrialState.COMPLETE, 0.5, None),
        (TrialState.COMPLETE, 0.5, None),
        (TrialState.COMPLETE, 0.7, None),
    )
    assert winners(study, 5, 1)[0].number == 4
    assert winners(study, 4, 1)[0].number == 2
    assert winners(study, 1, 1)[0].number == 0


def test_a_study_without_a_winner_says_what_became_of_its_trials() -> None:
    study = study_of(
        (TrialState.PRUNED, 0.9, "diverged"),
        (TrialState.PRUNED, 0.9, "diverged"),
        (TrialState.PRUNED, 0.9, "pruned"),
        (TrialState.FAIL, None, "RuntimeError: no"),
        (TrialState.RUNNING, None, None),
    )
    with pytest.raises(Failure, match=r"no winner \(2 diverged, 1 failed, 1 pruned, 1 unfinished\)"):
        winners(study, 5, 1)[0]
    with pytest.raises(Failure, match="no trials"):
        winners(study_of(), 5, 1)[0]


def test_each_replicate_has_a_winner_among_its_own_trials() -> None:
    values = [0.9, 0.1, 0.5, 0.3, 0.2, 0.4, 0.8]
    study = study_of(*((TrialState.COMPLETE, value, None) for value in values))
    assert [trial.number for trial in winners(study, 7, 2)] == [0, 5]
    assert [trial.number for trial in winners(study, 4, 2)] == [0, 3]
    assert [trial.number for trial in winners(study, 7, 3)] == [0, 4, 2]


def test_a_replicate_without_a_winner_is_named() -> None:
    study = study_of((TrialState.COMPLETE, 0.5, None), (TrialState.PRUNED, 0.9, "diverged"))
    with pytest.raises(Failure, match=r"replicate 1 of the study has no winner \(1 diverged\)"):
        winners(study, 2, 2)


def test_where_validation_measures_nothing_the_first_trial_wins_which_is_as_written() -> None:
    study = study_of((TrialState.PRUNED, None, "diverged"), *[(TrialState.PRUNED, None, "unmeasured")] * 3)
    assert [trial.number for trial in winners(study, 4, 2)] == [2, 1]


def test_what_a_trial_did_not_search_is_empty_in_the_table_and_whole_numbers_stay_whole() -> None:
    study = optuna.create_study(direction="maximize")
    own: tuple[dict[str, object], ...] = ({"a": 3, "b": True}, {"b": False, "c": 0.5}, {"d": "x"})
    for values in own:
        study.add_trial(create_trial(value=0.5, user_attrs={VALUES: values}))
    settings = table(study)[["a", "b", "c", "d"]]
    rows = settings.astype(object).where(settings.notna(), None)
    assert [{key: it for key, it in row.items() if it is not None} for row in rows.to_dict("records")] == list(own)
    assert type(rows["a"][0]) is int


def test_the_table_has_a_column_a_setting_and_an_epoch() -> None:
    study = optuna.create_study(direction="maximize")
    values = {"training.learning_rate": 0.1, "balancing.weights": {"b": 0.5, "a": 1.5}, "model.trunk.widths": [8, 4]}
    study.add_trial(create_trial(value=0.5, user_attrs={VALUES: values}, intermediate_values={1: 0.4, 2: 0.5}))
    study.add_trial(create_trial(state=TrialState.PRUNED, user_attrs={REASON: "diverged", VALUES: {}}))
    frame = table(study)
    assert list(frame.columns) == [
        "number", "replicate", "state", "reason", "value", "balancing.weights.a", "balancing.weights.b",
        "model.trunk.widths", "training.learning_rate", "epoch_1", "epoch_2", "seconds",
    ]  # fmt: skip
    assert frame.iloc[0].drop("seconds").fillna("").tolist() == [
        0, 0, "COMPLETE", "", 0.5, 1.5, 0.5, "[8, 4]", 0.1, 0.4, 0.5,
    ]  # fmt: skip
    assert frame.iloc[1]["reason"] == "diverged"
    assert frame.iloc[1][["value", "epoch_1", "training.learning_rate"]].isna().all()


def test_a_column_of_several_types_holds_json_so_that_parquet_takes_it(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    for value in (1, "auto", None, [2], True):
        study.add_trial(create_trial(value=0.5, user_attrs={VALUES: {"mixed": value, "same": value is None}}))
    table(study).to_parquet(tmp_path / "trials.parquet")
    read = pd.read_parquet(tmp_path / "trials.parquet")
    assert read["mixed"].tolist() == ["1", '"auto"', "null", "[2]", "true"]
    assert read["same"].tolist() == [False, False, True, False, False]


def test_the_table_of_an_empty_study_is_empty() -> None:
    assert table(optuna.create_study()).empty


def test_a_study_is_opened_again_by_its_name(tmp_path: Path) -> None:
    url, lock = f"sqlite:///{tmp_path}/optuna.db", tmp_path / "lock"
    open_study("one", url, lock).ask()
    assert len(open_study("one", url, lock).trials) == 1
    assert len(open_study("other", url, lock).trials) == 0
    assert open_study("one", url, lock).direction == optuna.study.StudyDirection.MAXIMIZE


def test_a_difference_names_what_changed_and_no_more_than_five_of_it() -> None:
    old = {"tuning": {"batch": 8}, "versions": {"torch": "2.15"}, "seed": 0}
    new = {"tuning": {"batch": 4}, "versions": {"torch": "2.15"}, "seed": 0, "device": "cuda"}
    assert difference(old, new) == "device unset -> cuda, tuning.batch 8 -> 4"
    assert difference(old, old) == ""
    many = {f"k{index}": index for index in range(8)}
    assert difference({}, many).endswith("k4 unset -> 4, and 3 more")


def test_a_study_says_what_it_is_about_and_what_its_objective_is(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    describe(study, digits(), "", {"mlflow_run": "one"})
    assert study.metric_names == ["validation/all/objective"]
    assert {"experiment": "digits", "sampler": "tpe", "mlflow_run": "one"}.items() <= study.user_attrs.items()
    assert study.user_attrs["weights"].startswith("a trial's weight/TASK is the task's weight as trained")
    assert study.user_attrs["objective"] == (
        "mean of validation/digit/accuracy, validation/parity/accuracy and validation/at_least_five/accuracy; "
        "higher is better"
    )
    assert (study.user_attrs["arm"], study.user_attrs["direction"]) == ("the shared network", "maximize")
    describe(study, digits({"tuning.space": {"model.trunk.dropout": {"float": [0.0, 0.5]}}}), "upgrad", {})
    assert (study.user_attrs["arm"], study.user_attrs["mlflow_run"]) == ("upgrad", "one")


def test_weights_are_not_explained_where_none_is_searched(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    describe(study, digits({"tuning.space": {"model.trunk.dropout": {"float": [0.0, 0.5]}}}), "", {})
    assert "weights" not in study.user_attrs


def test_a_description_that_is_there_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, written = study_in(tmp_path), list[str]()
    describe(study, digits(), "", {"mlflow_run": "one"})
    monkeypatch.setattr(Study, "set_user_attr", lambda _, name, __: written.append(name))
    monkeypatch.setattr(Study, "set_metric_names", lambda *_: written.append("names"))
    describe(study, digits(), "", {"mlflow_run": "two"})
    assert written == ["mlflow_run"]


def test_shares_are_the_weights_to_four_digits() -> None:
    weights = {"a": 2 / 3, "b": 4 / 3}
    assert shares({"balancing.weights": weights, "seed": 1}) == {"weight/a": 0.6667, "weight/b": 1.333}
    assert shares({"training.learning_rate": 0.1}) == {}
