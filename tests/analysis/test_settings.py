"""What two configurations differ in, in words."""

from typing import Any

import pytest

from pipeline.analysis.settings import compared, compared_all, differs_in
from pipeline.config import Experiment, load, with_values
from tests.analysis.made import experiment
from tests.conftest import REPOSITORY


def test_the_articles_separate_baseline_differs_in_optimizer_and_width() -> None:
    shared, separate = (load(name, {}, REPOSITORY) for name in ("mnist_fashion", "mnist_fashion_separate"))
    assert differs_in(shared, separate) == "differs in optimizer and width (and in dropout and learning rate)"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, ""),
        ({"training.seeds": 4}, ""),
        ({"model.sharing": "separate"}, ""),
        ({"model.sharing": {"kind": "mmoe", "experts": 3}}, "differs in sharing"),
        ({"model.trunk.widths": [7]}, "differs in width"),
        ({"model.trunk.dropout": 0.3, "training.learning_rate": 0.1}, "differs in dropout and learning rate"),
        ({"model.head": {"kind": "mlp", "widths": [3]}}, "differs in head"),
        ({"balancing.weights": {"side": 2.0, "odd": 1.0, "far": 1.0}}, "differs in task weights"),
        ({"balancing.weights": {"side": 2.0, "odd": 2.0, "far": 2.0}}, ""),
        ({"training.early_stopping.patience": 9}, "differs in early stopping"),
    ],
)
def test_differences_are_said_in_words(values: dict[str, Any], said: str) -> None:
    assert differs_in(experiment(), with_values(experiment(), values)) == said


def test_weights_are_numbers_that_sum_to_the_number_of_tasks() -> None:
    made: Experiment = with_values(experiment(), {"balancing.weights": {"side": 2.0, "odd": 1.0, "far": 1.0}})
    weights = {key: value for key, value in compared(made).items() if key.startswith("balancing.weights")}
    assert weights == {"balancing.weights.side": 1.5, "balancing.weights.odd": 0.75, "balancing.weights.far": 0.75}


def test_networks_that_differ_among_themselves_differ_in_what_any_of_them_does() -> None:
    one = experiment()
    wide, fast = (with_values(one, it) for it in ({"model.trunk.widths": [9]}, {"training.learning_rate": 0.5}))
    assert differs_in(one, one, wide, fast) == "differs in width (and in learning rate)"
    assert differs_in(one, one, one) == ""
    told = compared_all([one, wide, one])
    assert told["model.trunk.widths"] == [[6], [9], [6]]
    assert told["training.learning_rate"] == one.training.learning_rate
