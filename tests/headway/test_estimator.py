"""The estimator: several targets of mixed kinds, and what scikit-learn expects of any."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from headway import MultiTaskEstimator, UserError

SHORT = {"training.updates": 200}

FAILED: Mapping[str, Mapping[str, str]] = {"none": {}, "multiclass": {}, "regression": {}}
"""By `targets`, the checks that it does not pass, each with the reason."""


def rows(count: int = 240) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two inputs, of which one is no number, and a target of each kind that follows from them."""
    random = np.random.default_rng(0)
    size, colour = random.normal(size=count), random.choice(["red", "green", "blue"], count)
    price = 2.0 * size + (colour == "red") + random.normal(scale=0.1, size=count)
    inputs = pd.DataFrame({"size": size, "colour": colour}, index=np.arange(count) + 7)
    targets = pd.DataFrame({"price": price, "sold": np.where(price > 0.0, "yes", "no"), "colour": colour})
    return inputs, targets.set_axis(inputs.index)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> MultiTaskEstimator:
    """Of a regression, a binary and a multiclass target."""
    project = tmp_path_factory.mktemp("estimator") / "project"
    inputs, targets = rows()
    targets.loc[targets.index[:5], "sold"] = None
    return MultiTaskEstimator({"sold": "binary"}, settings=SHORT, project=project).fit(inputs, targets)


def test_targets_of_mixed_kinds_are_learnt(fitted: MultiTaskEstimator) -> None:
    inputs, targets = rows()
    assert fitted.targets_ == {"price": "regression", "sold": "binary", "colour": "multiclass"}
    assert {name: it.tolist() for name, it in fitted.classes_.items()} == {
        "sold": ["no", "yes"], "colour": ["blue", "green", "red"],
    }  # fmt: skip
    predicted = fitted.predict(inputs)
    assert predicted.index.equals(inputs.index)
    assert (predicted["colour"] == targets["colour"]).mean() > 0.95
    assert fitted.score(inputs, targets) > 0.9
    shares = fitted.predict_proba(inputs)
    assert shares["colour"].shape == (len(inputs), 3)
    assert np.allclose(shares["sold"].sum(1), 1.0)
    best = fitted.classes_["colour"][shares["colour"].argmax(1)]
    assert (best == predicted["colour"]).all()


def test_it_is_an_experiment_of_the_project(fitted: MultiTaskEstimator) -> None:
    assert fitted.result_.metrics["task"].nunique() == 3
    assert fitted.experiment_.file.is_file()
    inputs, targets = rows()
    targets.loc[targets.index[:5], "sold"] = None
    again = clone(fitted).fit(inputs, targets)
    assert again.result_.steps["cached"].all()
    assert again.predict(inputs).equals(fitted.predict(inputs))


def test_it_predicts_wherever_it_is_unpickled(fitted: MultiTaskEstimator) -> None:
    inputs, _ = rows()
    other = pickle.loads(pickle.dumps(fitted))
    assert other._model.folder != fitted._model.folder
    assert other.predict(inputs).equals(fitted.predict(inputs))


def test_rows_without_a_target_do_not_count(fitted: MultiTaskEstimator) -> None:
    inputs, targets = rows()
    whole = fitted.score(inputs, targets)
    wrong = targets["colour"] != fitted.predict(inputs)["colour"]
    targets.loc[wrong, "colour"] = None
    assert fitted.score(inputs, targets) >= whole


def test_mistakes_are_said() -> None:
    inputs, targets = rows(20)
    mistakes: dict[str, tuple[Any, Any]] = {
        "there is no target 'prize'; they are price, sold, colour": ({"prize": "regression"}, targets),
        "2 kinds for 3 targets": (["regression", "binary"], targets),
        "'number' of price is no kind; they are binary, multiclass, regression": ("number", targets),
        "Unknown label type: sold holds no numbers": ({"sold": "regression"}, targets),
        "Unknown label type": ("binary", targets[["price"]]),
        "sold has one class": (None, targets[["sold"]].assign(sold="no")),
        "requires y to be passed": (None, None),
        "inconsistent numbers of samples": (None, targets.iloc[:5]),
    }
    for said, (kinds, y) in mistakes.items():
        with pytest.raises(ValueError, match=said):
            MultiTaskEstimator(kinds).fit(inputs, y)
    with pytest.raises(UserError, match=r"unknown key 'training\.epoch'"):
        MultiTaskEstimator(settings={"training.epoch": 1}).fit(inputs, targets[["price"]])


def test_it_says_what_it_is() -> None:
    assert is_classifier(MultiTaskEstimator("binary"))
    assert is_regressor(MultiTaskEstimator("regression"))
    assert not is_classifier(MultiTaskEstimator())
    assert not is_regressor(MultiTaskEstimator())
    assert not hasattr(MultiTaskEstimator("regression"), "predict_proba")
    assert hasattr(MultiTaskEstimator(), "predict_proba")


@pytest.mark.slow
def test_it_stands_in_pipelines_and_cross_validation(tmp_path: Path) -> None:
    inputs, targets = rows()
    estimator = MultiTaskEstimator(settings=SHORT, project=tmp_path / "project")
    steps = make_pipeline(StandardScaler(), estimator)
    scores = cross_val_score(steps, inputs[["size"]].to_numpy(), targets["price"].to_numpy(), cv=2, error_score="raise")
    assert (scores > 0.8).all()


@pytest.mark.slow
@pytest.mark.parametrize("targets", FAILED)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_finds_nothing_else(targets: str) -> None:
    kind = None if targets == "none" else targets
    results = check_estimator(
        MultiTaskEstimator(kind, settings=SHORT), expected_failed_checks=FAILED[targets], on_skip=None
    )
    failed = {it["check_name"] for it in results if it["status"] == "xfail"}
    assert failed == {*FAILED[targets]}
