"""A source of one's own: made as the experiment says, its code part of what it depends on, its examples checked."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.config.sources import OwnSettings
from pipeline.data.sources import Place
from pipeline.data.sources.own import Own
from pipeline.errors import UserError

BOXES = "tests.testing.parts:Boxes"


def own(kind: str = BOXES, path: str | None = None, **arguments: Any) -> Own:
    return Own("boxes", OwnSettings(kind=kind, path=path, arguments=arguments))


def place(folder: Path = Path()) -> Place:
    return Place("full", folder, None, folder, folder)


def test_it_reads_what_the_class_reads() -> None:
    said: list[str] = []
    examples = own(rows=7).read(place(), said.append)
    assert said == ["drawing boxes"]
    assert examples.train.inputs.shape == (7, 8, 8)  # type: ignore[union-attr]
    assert list(examples.classes) == ["half", "light", "marks"]


def test_its_fingerprint_has_its_code_and_what_is_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    first = own(path="a.txt", rows=7).fingerprint(place(tmp_path)).checksums
    assert set(first) == {"file", f"code of {BOXES}"}
    (tmp_path / "a.txt").write_text("two")
    second = own(path="a.txt", rows=7).fingerprint(place(tmp_path)).checksums
    assert first["file"] != second["file"]


@pytest.mark.parametrize(
    ("breaks", "line"),
    [
        ("error", "read: 'zebra'"),
        ("type", "read should answer Examples, not ndarray"),
        ("length", "train: 'half' is an array of a value for each of 9 rows, found 8"),
        ("class", "train: 'half' is from 0 to 1, or -1; found 0 to 2"),
        ("names", r"train: labels are \['half', 'light', 'marks'\] and classes \['half', 'marks'\]"),
        ("nan", "train: row 5 of inputs has a value that is no finite number"),
        ("marks", r"train: 'marks' is several labels a row: floats \[N, 3\] of 1, 0 and NaN"),
        ("numbers", "train: 'light' is a number a row and has no classes"),
        ("empty", "train: no rows"),
        ("list", r"train: inputs are an array \[N, ...\], or an object with chunks\(\), not list"),
        ("mapping", "train: labels and classes are mappings by the name of the label"),
        ("shapes", r"rows of train have the shape \[8, 8\], those of test \[7, 8\]"),
    ],
)
def test_what_is_wrong_with_its_examples_is_one_line(breaks: str, line: str) -> None:
    with pytest.raises(UserError, match=rf"^source 'boxes' \({BOXES}\): {line}") as error:
        own(rows=9, breaks=breaks).read(place(), print)
    assert "\n" not in str(error.value)


def test_what_is_wrong_with_its_fingerprint_is_one_line() -> None:
    with pytest.raises(UserError, match="fingerprint should answer Fingerprint, not str"):
        own(rows=9, breaks="fingerprint").fingerprint(place())
    with pytest.raises(UserError, match=r"fingerprint: .*No such file"):
        own(path="zebra", rows=9).fingerprint(place())


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("tests.testing.parts:Zebra", "no module at 'tests.testing.parts:Zebra'"),
        (BOXES, "cannot be made with {}"),
        ("tests.testing.parts:Rowless", "it should be a class with fingerprint"),
    ],
)
def test_a_class_that_is_none_is_said_in_one_line(kind: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        own(kind)
