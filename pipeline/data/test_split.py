"""The test split, a type of its own: only the evaluate step opens it (a test of the imports holds this)."""

from dataclasses import dataclass

from pipeline.data.prepared import Prepared, Split, open_split


@dataclass(frozen=True)
class TestSplit:
    """The rows that nothing may choose by.

    Attributes:
        rows: The split itself.
    """

    __test__ = False  # not a test case for pytest

    rows: Split


def open_test_split(prepared: Prepared) -> TestSplit:
    """Open the test split. The caller records that it did."""
    return TestSplit(open_split(prepared, "test"))
