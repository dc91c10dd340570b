"""Class weights against scikit-learn's, and what they do to a batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils import compute_class_weight

from pipeline.config import with_values
from pipeline.data.class_weights import class_weights
from pipeline.data.prepared import Prepared, PreparedTask
from pipeline.stacked import MISSING, Targets
from tests.training.made import MIXED, experiment_on, random_data


def weights_of(task: PreparedTask) -> torch.Tensor:
    prepared = Prepared(Path(), {}, {"it": task})
    experiment = experiment_on(prepared, {"tasks.it.class_weights": "balanced"})
    return class_weights(prepared, experiment.tasks)["it"]


def test_classes_weigh_as_in_scikit_learn() -> None:
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    task = PreparedTask("multiclass", "a", ("x", "y", "z"), {"train": [70, 20, 10]}, labelled={"train": [100]})
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert weights_of(task).numpy() == pytest.approx(wanted)


def test_a_label_and_its_absence_weigh_alike() -> None:
    task = PreparedTask("multilabel", "a", ("x", "y"), {"train": [10, 30]}, labelled={"train": [100, 40]})
    absent, present = weights_of(task).numpy()
    assert absent * (90, 10) == pytest.approx(present * (10, 30))
    assert absent * (90, 10) + present * (10, 30) == pytest.approx(np.array([100, 40]))


def test_a_class_that_never_occurs_takes_no_weight_from_the_others() -> None:
    task = PreparedTask("multiclass", "a", ("x", "y", "z"), {"train": [30, 0, 10]}, labelled={"train": [40]})
    assert weights_of(task).tolist() == pytest.approx([40 / 60, 0.0, 2.0])


def test_only_tasks_that_ask_for_them_have_weights(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, MIXED)
    experiment = experiment_on(prepared)
    assert class_weights(prepared, experiment.tasks) == {}
    asked = with_values(experiment, {"tasks.marks.class_weights": "balanced"})
    assert list(class_weights(prepared, asked.tasks)) == ["marks"]


def test_shares_are_multiplied_and_missing_targets_keep_none() -> None:
    targets = Targets.of(torch.tensor([[0, 1, MISSING, 1]])).weighted(torch.tensor([[0.5, 2.0]]))
    assert targets.share.tolist() == [pytest.approx([0.5 / 3, 2 / 3, 0.0, 2 / 3])]
    labels = torch.tensor([[[1.0, 0.0], [torch.nan, 1.0]]])
    several = Targets.of(labels).weighted(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    assert (several.share * 3).tolist() == [[pytest.approx([3.0, 2.0]), pytest.approx([0.0, 4.0])]]
