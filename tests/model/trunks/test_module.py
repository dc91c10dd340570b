import pytest

from pipeline.errors import UserError
from pipeline.model.layers import Dropout, Wrapped
from tests.model.trunks.shapes import trunk

HERE = "tests.model.modules"


def test_a_module_of_ones_own_takes_rows_as_the_source_has_them_and_its_answer_is_dropped_out() -> None:
    layers, width = trunk((1, 12, 12), slots=2, kind=f"{HERE}:Convolutions", arguments={"norm": True}, dropout=0.25)
    wrapped, dropout = layers
    assert isinstance(wrapped, Wrapped)
    assert (width, wrapped.shape, wrapped.lifted, wrapped.first) == (8, (1, 12, 12), False, True)
    assert isinstance(dropout, Dropout)
    assert dropout.rates == [0.25, 0.25]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (f"{HERE}:zebra", "no module at 'tests.model.modules:zebra'"),
        (f"{HERE}:function", "is a function, .*: it should be a class derived from torch.nn.modules.module.Module"),
        (f"{HERE}:Convolutions", r"should take rows of shape \(12, 12\)|Convolutions"),
    ],
)
def test_a_class_that_breaks_the_contract_is_said_in_one_line(kind: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        trunk((12,), kind=kind)
