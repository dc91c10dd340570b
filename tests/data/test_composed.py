"""Images are dealt to what is composed of them so that groups share none."""

import numpy as np
import pytest

from pipeline.data.sources.composed import drawn
from pipeline.errors import UserError


def of(images: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return drawn(images, count, np.random.default_rng(seed))


@pytest.mark.parametrize(("images", "count"), [(500, 2), (507, 4), (20, 2), (39, 4), (4, 4)])
def test_every_image_comes_first_once_and_a_row_has_different_ones(images, count):
    chosen, group = of(images, count)
    assert chosen.shape == (images, count)
    assert group.shape == (images,)
    assert sorted(chosen[:, 0]) == list(range(images))
    assert all(len(set(row)) == count for row in chosen.tolist())


def test_no_image_is_in_two_groups_and_groups_are_small():
    chosen, group = of(507, 4)
    homes = {(image, block) for row, block in zip(chosen.tolist(), group.tolist(), strict=True) for image in row}
    assert len(homes) == 507
    assert np.bincount(group).min() >= 20
    assert np.bincount(group).max() <= 21


def test_blocks_and_what_is_drawn_within_them_are_random():
    chosen, _ = of(2000, 2)
    assert np.abs(np.corrcoef(np.arange(2000), chosen[:, 0])[0, 1]) < 0.1
    often = np.bincount(chosen[:, 1], minlength=2000)
    assert (often == 0).mean() == pytest.approx(np.exp(-1), abs=0.05)  # as of draws with replacement
    assert (of(2000, 2)[0] == chosen).all()
    assert (of(2000, 2, seed=1)[0] != chosen).any()


def test_too_few_images_are_refused():
    with pytest.raises(UserError, match="3 images are too few to compose others of 4 each"):
        of(3, 4)
