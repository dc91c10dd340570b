"""Times of steps in chunks, on a tiny set."""

from benchmarks.chunks import CHUNKS, timed
from benchmarks.networks import Case


def test_whole_batches_and_chunks_are_timed(case: Case) -> None:
    rows = timed(case, 16, rounds=1)
    assert [row["chunks"] for row in rows] == list(CHUNKS)
    assert rows[0]["of_whole"] == 1.0
    assert all(row["ms"] > 0.0 for row in rows)
