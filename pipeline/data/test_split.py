"""The test split, a type of its own: only the evaluate step opens it (a test of the imports holds this)."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.data.prepared import Prepared, Split, groups_file, open_split


@dataclass(frozen=True)
class TestSplit:
    """The rows that nothing may choose by.

    Attributes:
        rows: The split itself, with the groups of its rows.
    """

    __test__ = False  # not a test case for pytest

    rows: Split


def open_test_split(prepared: Prepared) -> TestSplit:
    """Open the test split. The caller records that it did."""
    files = {name: prepared.folder / groups_file(name) for name in prepared.sources}
    groups = {name: np.load(path, mmap_mode="r") for name, path in files.items() if path.exists()}
    return TestSplit(replace(open_split(prepared, "test"), groups=groups))
