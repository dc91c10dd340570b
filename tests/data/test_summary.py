"""What is told of prepared data is what they hold."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.summary import summary
from tests.training.made import MIXED, random_data


def test_missing_targets_classes_and_examples_are_those_of_the_splits(tmp_path: Path) -> None:
    data = random_data(tmp_path, MIXED, rows=40, missing={"digit": 0.05, "size": 0.25, "marks": 0.1})
    told = summary(data)
    train = data.split("train")
    assert told["sources"]["left"]["rows"] == {"train": 40, "validation": 20}
    assert told["tasks"]["digit"]["missing"]["train"] == pytest.approx(0.05)
    assert told["tasks"]["size"]["missing"]["train"] == pytest.approx(0.25)
    assert told["tasks"]["digit"]["classes"]["1"]["train"] == int((train.labels["digit"] == 1).sum())
    assert told["tasks"]["marks"]["classes"]["2"]["train"] == int(np.nansum(train.labels["marks"][:, 2]))
    assert told["tasks"]["size"]["values"]["train"]["median"] == pytest.approx(
        np.nanmedian(train.labels["size"]), abs=1e-5
    )
    assert told["tasks"]["digit"]["examples"][:2] == ["?", "?"]
    assert told["tasks"]["size"]["examples"] == ["?"] * 3
    assert told["tasks"]["marks"]["examples"][0] == "0?, 1?, 2?, 3?"
    assert told["tasks"]["parity"]["examples"][0] in ("0", "1")
