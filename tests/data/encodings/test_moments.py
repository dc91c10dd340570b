"""Statistics that are learnt a chunk at a time are those of all numbers at once."""

import tracemalloc

import numpy as np
import pytest

from pipeline.data.encodings import moments
from pipeline.data.encodings.moments import ClippedMoments, Moments

DRAWS = np.random.default_rng(0)


def heavy(rows: int) -> np.ndarray:
    """A skewed column, with gaps, and a few numbers that are far out on both sides."""
    values = DRAWS.lognormal(0.0, 2.0, rows)
    values[DRAWS.random(rows) < 0.1] = np.nan
    values[DRAWS.integers(0, rows, 1 + rows // 5000)] = -1e6
    return values


def learnt(found: Moments, values: np.ndarray, chunk: int) -> tuple[float, float] | None:
    for start in range(0, len(values), chunk):
        found.take(values[start : start + chunk])
    return found.finish()


@pytest.mark.parametrize("clip", [(0.001, 0.999), (0.0, 0.9), (0.25, 1.0), (0.4, 0.6), (0.0, 1.0)])
@pytest.mark.parametrize(("rows", "chunk"), [(3, 2), (150, 40), (5_000, 5_000), (60_000, 700), (200_000, 4096)])
def test_quantiles_and_moments_are_numpys_of_the_clipped_column(
    rows: int, chunk: int, clip: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "_MOST_ENDS", 1 << 19)  # or 0.4 of a long column would be told by one in several
    values = heavy(rows) if rows > 3 else np.array([1.0, 5.0, 2.0])
    found = ClippedMoments(2 * rows, *clip)  # the table has other rows, too
    bounds = learnt(found, values, chunk)
    there = values[~np.isnan(values)]
    wanted = np.quantile(there, clip)
    assert bounds == pytest.approx(tuple(wanted), rel=1e-12)
    clipped = there.clip(*wanted)
    assert found.mean == pytest.approx(clipped.mean(), rel=1e-9)
    assert found.std == pytest.approx(clipped.std(), rel=1e-9)
    assert (found.count, found.missing) == (len(there), len(values) - len(there))


@pytest.mark.parametrize("row", [-1.0, 1e9])
def test_a_rare_event_that_clipping_would_remove_stays(row: float) -> None:
    values = np.zeros(20_000)
    values[:10] = row
    found = ClippedMoments(len(values), 0.001, 0.999)
    assert learnt(found, DRAWS.permutation(values), 1000) is None
    assert found.mean == pytest.approx(values.mean())
    assert found.std == pytest.approx(values.std())


@pytest.mark.parametrize("values", [np.full(50, 7.0), np.array([3.0])])
def test_a_constant_column_is_left_as_it_is(values: np.ndarray) -> None:
    found = ClippedMoments(len(values), 0.001, 0.999)
    assert learnt(found, values, 8) is None
    assert (found.mean, found.std) == (values[0], 1.0)


def test_of_no_number_nothing_is_learnt() -> None:
    found = ClippedMoments(30, 0.001, 0.999)
    assert learnt(found, np.full(30, np.nan), 7) is None
    assert (found.count, found.missing) == (0, 30)


def test_a_column_with_ends_of_many_numbers_is_told_by_one_number_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "_MOST_ENDS", 4000)
    values = heavy(100_000)
    found = ClippedMoments(len(values), 0.05, 0.95)  # 10,000 numbers at the ends: one in three is taken
    low, high = learnt(found, values, 997)
    there = values[~np.isnan(values)]
    assert found.count == -(-len(there) // 3)
    assert found.missing == len(values) - len(there)
    assert 0.045 < (there < low).mean() < 0.055
    assert 0.945 < (there < high).mean() < 0.955
    assert found.mean == pytest.approx(there.clip(low, high).mean(), rel=0.05)


@pytest.mark.parametrize("clip", [(0.001, 0.999), (0.1, 0.9)])
def test_memory_does_not_grow_with_the_column(clip: tuple[float, float]) -> None:
    def peak(rows: int) -> int:
        found = ClippedMoments(rows, *clip)
        tracemalloc.start()
        for start in range(0, rows, 4096):
            found.take(np.random.default_rng(start).normal(size=4096))
        found.finish()
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken

    assert peak(1000 * 4096) < 5 << 20  # the column itself takes 31 MiB
