"""An experiment restricted to some of its tasks."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config import Experiment, with_values
from pipeline.steps.restricted import group_of, single_task
from tests.analysis.made import experiment


def _with(values: dict[str, Any]) -> Experiment:
    return with_values(experiment(), values)


def test_a_group_shares_as_all_tasks_do() -> None:
    whole = _with({"model.sharing": "mmoe", "balancing.method": "upgrad"})
    group = group_of(whole, ["far", "side"])
    assert list(group.tasks) == ["far", "side"]
    assert (group.model, group.training, group.data) == (whole.model, whole.training, whole.data)
    assert group.balancing == whole.balancing
    assert group.tuning is None
    assert not group.baselines.single


def test_weights_and_preferences_are_those_of_its_tasks() -> None:
    weights = {"side": 1.0, "odd": 2.0, "far": 3.0}
    assert group_of(_with({"balancing.weights": weights}), ["odd", "far"]).balancing.weights == {"odd": 2.0, "far": 3.0}
    cosmos = _with({"balancing.method": "cosmos", "balancing.preference": [2.0, 1.0, 1.0]})
    group = group_of(cosmos, ["side", "far"]).balancing
    assert group.default_preference(["side", "far"]) == pytest.approx({"side": 2 / 3, "far": 1 / 3})


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"balancing.weights": {"side": 0.0, "odd": 0.0, "far": 1.0}}, "balancing.weights are all 0"),
        ({"balancing.method": "krum"}, "needs at least 3 tasks; found 2"),
    ],
)
def test_what_is_nothing_for_them_is_refused(values: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        group_of(_with(values), ["side", "odd"])


def test_a_task_alone_has_one_plain_trunk_and_is_not_watched() -> None:
    alone = single_task(_with({"model.sharing": "cgc", "training.watch": {"every": 2}}), "odd")
    assert alone.model.sharing.kind == "shared"
    assert alone.training.watch is None
    assert alone.balancing.method == "fixed"
