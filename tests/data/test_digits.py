import hashlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.sources import digits
from pipeline.data.sources.digits import Digits
from pipeline.errors import UserError

from .files import place, quiet


@pytest.fixture
def examples(tmp_path):
    return Digits().read(place(tmp_path), quiet)


def test_all_images_are_a_training_part_of_sixteen_grey_levels(examples):
    assert examples.test is None
    assert examples.train.inputs.shape == (1797, 8, 8)
    assert examples.train.inputs.dtype == np.uint8
    assert examples.train.inputs.max() == examples.scale == 16.0


def test_the_three_questions_are_about_the_same_digit(examples):
    labels = examples.train.labels
    assert labels["digit"][:10].tolist() == list(range(10))
    assert labels["parity"][:10].tolist() == [0, 1] * 5
    assert labels["at_least_five"][:10].tolist() == [0] * 5 + [1] * 5
    assert {name: len(names) for name, names in examples.classes.items()} == {
        "digit": 10, "parity": 2, "at_least_five": 2
    }  # fmt: skip
    assert all(values.dtype == np.int64 for values in labels.values())


def test_the_fingerprint_is_the_checksum_of_the_file_that_scikit_learn_brings(tmp_path):
    import sklearn

    content = (Path(sklearn.__file__).parent / "datasets/data/digits.csv.gz").read_bytes()
    assert Digits().fingerprint(place(tmp_path)).checksums == {"digits.csv.gz": hashlib.sha256(content).hexdigest()}


def test_a_missing_file_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "sklearn_data", lambda: tmp_path)
    with pytest.raises(UserError, match=r"digits\.csv\.gz: cannot be read"):
        Digits().fingerprint(place(tmp_path))
