"""The test split, a type of its own: only the evaluate step opens it (a test of the imports holds this)."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.data.prepared import Prepared, Split, groups_file, open_split


@dataclass(frozen=True)
class TestSplit:
    """The rows that nothing may choose by.

    Attributes:
        rows: The split itself, with the groups of its rows.
        replicates: Where every row tests, that of each replicate instead.
        numbers: By replicate and source, which of the source's rows each of these is.
    """

    __test__ = False  # not a test case for pytest

    rows: Split | None = None
    replicates: tuple[Split, ...] = ()
    numbers: tuple[dict[str, np.ndarray], ...] = ()

    def of(self, replicate: int | None) -> Split:
        """The rows of a replicate; without one those of the one split there is."""
        found = self.rows if replicate is None else self.replicates[replicate]
        assert found is not None
        return found


def open_test_split(prepared: Prepared) -> TestSplit:
    """Open the test split. The caller records that it did."""
    files = {name: prepared.folder / groups_file(name) for name in prepared.sources}
    groups = {name: np.load(path, mmap_mode="r") for name, path in files.items() if path.exists()}
    return TestSplit(replace(open_split(prepared, "test"), groups=groups))
