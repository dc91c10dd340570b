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
    assert learnt(found, DRAWS.permutation(values), 1000) == (min(0.0, row), max(0.0, row))  # the range of train
    assert found.mean == pytest.approx(values.mean())
    assert found.std == pytest.approx(values.std())


@pytest.mark.parametrize("values", [np.full(50, 7.0), np.array([3.0]), np.full(5000, 14.62), np.zeros(9)])
@pytest.mark.parametrize("clip", [None, (0.001, 0.999)])
def test_a_constant_column_is_clipped_to_its_one_value(values: np.ndarray, clip: tuple[float, float] | None) -> None:
    found = ClippedMoments(len(values), *clip) if clip else Moments()
    assert learnt(found, values, 8) == (values[0], values[0])
    assert (found.mean, found.std) == (pytest.approx(values[0], rel=1e-15), 1.0)


@pytest.mark.parametrize("clip", [None, (0.001, 0.999)])
def test_a_column_that_is_constant_but_for_rounding_has_the_deviation_of_a_constant(
    clip: tuple[float, float] | None,
) -> None:
    values = np.full(3000, 0.3)
    values[::3] = 0.1 + 0.2
    found = ClippedMoments(len(values), *clip) if clip else Moments()
    assert learnt(found, values, 100) == (0.3, 0.1 + 0.2)
    assert found.std == 1.0


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-30, 1.0, 1e30])
def test_the_deviation_of_any_scale_is_no_zero(scale: float) -> None:
    values = scale * np.array([1.0, 2.0, 2.5, 4.0])
    found = Moments()
    assert learnt(found, values, 3) is None
    assert 0.1 < np.abs((values - found.mean) / found.std).max() < 2.0


def test_small_differences_of_large_numbers_are_no_rounding() -> None:
    seconds = 1.7e9 + np.arange(100.0)  # times of a log
    found = Moments()
    assert learnt(found, seconds, 7) is None
    assert found.std == pytest.approx(seconds.std())


@pytest.mark.parametrize("clip", [None, (0.001, 0.999), (0.1, 0.9)])
def test_chunks_change_no_bit(clip: tuple[float, float] | None) -> None:
    values = heavy(50_000)

    def of(chunk: int) -> tuple[object, float, float]:
        found = ClippedMoments(len(values), *clip) if clip else Moments()
        return learnt(found, values, chunk), found.mean, found.std

    assert of(4096) == of(997) == of(50_000)


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
