"""What `--targets` says: kinds, columns that are put together, and names with marks in them."""

import pytest

from pipeline.drafts.targets import Target, parse
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a:binary, b", [("a", "binary", ("a",)), ("b", "", ("b",))]),
        ("marks=old+new:multilabel", [("marks", "multilabel", ("old", "new"))]),
        ("price=Sale Price", [("price", "", ("Sale Price",))]),
        ('"a,b":binary,"c:d"', [("a,b", "binary", ("a,b",)), ("c:d", "", ("c:d",))]),
        ('"x=y"="p+q"+"r,s"+t:multilabel', [("x=y", "multilabel", ("p+q", "r,s", "t"))]),
        ('"say ""hi"""," lead "', [('say "hi"', "", ('say "hi"',)), (" lead ", "", (" lead ",))]),
        ('5" pipe,a+b', [('5" pipe', "", ('5" pipe',)), ("a+b", "", ("a+b",))]),
        ("width (cm):regression,价格", [("width (cm)", "regression", ("width (cm)",)), ("价格", "", ("价格",))]),
    ],
)  # fmt: skip
def test_targets_are_told_apart(text: str, found: list[tuple[str, str, tuple[str, ...]]]) -> None:
    assert parse(text) == [Target(*it) for it in found]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a:b", "unknown kind 'b'; .* stands in quotes, as in CSV"),
        ("a,a:binary", "names 'a' twice"),
        ('"":binary', "a name is empty"),
        ('x=""+b:multilabel', "a name is empty"),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        parse(text)
