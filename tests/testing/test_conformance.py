"""The conformance tests pass for parts that keep to their protocols, and each notices what it is for."""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipeline.errors import UserError
from pipeline.testing import (
    BalancerConformance,
    HeadConformance,
    LossConformance,
    MetricConformance,
    SourceConformance,
    TrunkConformance,
)

PARTS = "tests.testing.parts"


class TestNet(TrunkConformance):
    path, arguments, shape = f"{PARTS}:Net", {"width": 5}, (8, 8)


class TestHead(HeadConformance):
    path, arguments = f"{PARTS}:Head", {"hidden": 4}


class TestHeadOfOneLogit(TestHead):
    outputs = 1


class TestSmoothed(LossConformance):
    path, arguments, kind = f"{PARTS}:Smoothed", {"smoothing": 0.1}, "multiclass"


class TestSmoothedOfLabels(TestSmoothed):
    kind = "multilabel"


class TestSmoothedOfTwoClasses(TestSmoothed):
    kind = "binary"


class TestSquared(LossConformance):
    path, kind = f"{PARTS}:Squared", "regression"


class TestBrier(MetricConformance):
    path, kind = f"{PARTS}:brier", "multiclass"


class TestBias(MetricConformance):
    path, kind = f"{PARTS}:bias", "regression"


class TestShareOfLabels(MetricConformance):
    path, kind = f"{PARTS}:Share", "multilabel"


class TestBoxes(SourceConformance):
    path, arguments = f"{PARTS}:Boxes", {"rows": 12}


class TestBoxesOfAFile(SourceConformance):
    path, arguments, file, project = f"{PARTS}:Boxes", {"rows": 12}, "parts.py", Path(__file__).parent


class TestLargest(BalancerConformance):
    path, arguments = f"{PARTS}:Largest", {"share": 0.3}


class TestShortest(BalancerConformance):
    path, tasks = f"{PARTS}:Shortest", 2


def of(base: type, **attributes: ClassVar[Any]) -> Any:
    return type("It", (base,), attributes)()


@pytest.mark.parametrize(
    ("name", "test", "error"),
    [
        ("Broadcast", "an_experiment_takes_it", UserError),
        ("Infinite", "it_answers_a_finite_loss_for_every_target", AssertionError),
        ("Ranked", "one_row_does_not_influence_another", AssertionError),
        ("WrongGradient", "its_gradient_is_that_of_its_value", RuntimeError),
    ],
)
def test_a_loss_that_breaks_its_protocol_is_noticed(name: str, test: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        getattr(of(LossConformance, path=f"{PARTS}:{name}", kind="regression"), f"test_{test}")()


@pytest.mark.parametrize(
    ("name", "test", "line"),
    [
        ("Mixed", "a_slot_does_not_feel_its_neighbours", "depends on others"),
        ("Forgetful", "it_goes_on_from_its_state", "not in `state`"),
        ("Unlabelled", "a_task_without_a_labelled_row_keeps_the_weights_finite", "not finite"),
    ],
)
def test_a_balancer_that_breaks_its_protocol_is_noticed(name: str, test: str, line: str) -> None:
    broken = of(BalancerConformance, path=f"{PARTS}:{name}", arguments={"share": 0.3})
    with pytest.raises(AssertionError, match=line):
        getattr(broken, f"test_{test}")()


def test_a_metric_that_depends_on_the_order_of_rows_is_noticed() -> None:
    with pytest.raises(AssertionError, match="in another order"):
        of(MetricConformance, path=f"{PARTS}:first_row", kind="multiclass").test_the_order_of_rows_does_not_matter()


def test_a_trunk_whose_rows_influence_each_other_is_noticed() -> None:
    trunk = of(TrunkConformance, path=f"{PARTS}:BatchCentred", shape=(8, 8))
    with pytest.raises(AssertionError, match="depends on its batch"):
        trunk.test_one_row_does_not_influence_another_in_evaluation()


def test_a_head_of_another_width_is_noticed() -> None:
    head = of(HeadConformance, path=f"{PARTS}:NarrowHead", arguments={"hidden": 2})
    with pytest.raises(AssertionError, match="answers 1 values, not 3"):
        head.test_it_answers_as_many_values_as_it_is_asked_for()


def test_a_source_whose_labels_are_none_is_noticed() -> None:
    source = of(SourceConformance, path=f"{PARTS}:Boxes", arguments={"rows": 9, "breaks": "class"})
    with pytest.raises(UserError, match="'half' is from 0 to 1, or -1; found 0 to 2"):
        source.test_its_examples_are_what_they_should_be()
