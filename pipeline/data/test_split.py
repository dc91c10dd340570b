"""The test split, a type of its own: only the evaluate step opens it (a test of the imports holds this)."""

from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.data.prepared import Prepared, Split, groups_file, open_split, rows_file


@dataclass(frozen=True)
class TestSplit:
    """The rows that nothing may choose by: of the one split, or where every row tests of all replicates together.

    Attributes:
        rows: The split itself, with the groups of its rows; without any row where every row tests.
        replicates: Of each replicate its own, with groups that are numbered alike in all; empty for the one split.
        numbers: Of each replicate by source, the source's row of each of its rows, int64 [N].
    """

    __test__ = False  # not a test case for pytest

    rows: Split = field(default_factory=lambda: Split({}, {}))
    replicates: tuple[Split, ...] = ()
    numbers: tuple[dict[str, np.ndarray], ...] = ()

    def of(self, replicate: int | None) -> Split:
        """The rows that a network of this replicate is tested on."""
        return self.rows if replicate is None else self.replicates[replicate]


def open_test_split(prepared: Prepared) -> TestSplit:
    """Open the test split, that of all replicates where every row tests. The caller records that it did."""
    if not prepared.replicates:
        return TestSplit(_opened(prepared))
    numbers = tuple(
        {name: np.load(it.folder / rows_file(name, "test")) for name in it.sources} for it in prepared.replicates
    )
    return TestSplit(replicates=tuple(map(_opened, prepared.replicates)), numbers=numbers)


def _opened(prepared: Prepared) -> Split:
    files = {name: prepared.folder / groups_file(name) for name in prepared.sources}
    groups = {name: np.load(path, mmap_mode="r") for name, path in files.items() if path.exists()}
    return replace(open_split(prepared, "test"), groups=groups)
