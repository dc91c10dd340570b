from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config import Experiment, with_values
from pipeline.config.dotted import merged, nested
from pipeline.config.model import ModelSettings
from pipeline.config.sharing import Sharing

from .files import read


def experiment(**model: Any) -> Experiment:
    tasks = {"a": {"kind": "binary", "source": "s"}}
    return Experiment.model_validate({"name": "x", "tasks": tasks, "model": model})


def test_a_kind_in_short_is_a_kind_at_its_defaults() -> None:
    short, long = (ModelSettings.model_validate({"sharing": it}) for it in ("cgc", {"kind": "cgc"}))
    assert short == long
    assert (short.sharing.experts, short.sharing.own_experts) == (2, 1)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("mmoee", r"there is no sharing 'mmoee' \(did you mean 'mmoe'\?\)"),
        ("x", r"there is no sharing 'x' \(shared, separate, cross_stitch, "),
        ({"kind": "mmoe", "own_share": 0.5}, "sharing 'mmoe' does not use own_share=0.5: leave it out"),
        ({"kind": "shared", "experts": 2}, "sharing 'shared' does not use experts=2: leave it out"),
        ({"kind": "mmoe", "experts": 0}, "sharing 'mmoe' needs at least one expert"),
        ({"kind": "ple", "experts": 0, "own_experts": 0}, "sharing 'ple' needs at least one expert"),
        ({"kind": "dselect_k", "experts": 6}, "in bits: a power of 2, not experts=6"),
        ({"kind": "mmoe", "experts": -1}, "greater than or equal to 0"),
        ({"kind": "mtan", "experts": 2}, "sharing 'mtan' does not use experts=2: leave it out"),
        ({"kind": "mtan", "bottleneck": 0.0}, "greater than 0"),
        ({"kind": "mmoe", "bottleneck": 0.5}, "sharing 'mmoe' does not use bottleneck=0.5: leave it out"),
        ({"kind": "cross_stitch", "own_share": 1.5}, "less than or equal to 1"),
    ],
)
def test_what_is_wrong_is_told(given: Any, line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        ModelSettings.model_validate({"sharing": given})


def test_settings_are_laid_on_a_kind_in_short() -> None:
    tree = merged({"model": {"sharing": "mmoe"}}, nested({"model.sharing.experts": 3}))
    assert tree == {"model": {"sharing": {"kind": "mmoe", "experts": 3}}}


def test_another_kind_begins_with_its_own_defaults() -> None:
    other = with_values(experiment(sharing="cgc"), {"model.sharing.kind": "mmoe"})
    assert other.model.sharing == Sharing.of({"kind": "mmoe", "experts": 4})
    assert read(other, "train", "model") == {"model.sharing.kind": "mmoe"}
