"""Which images are composed to a new one, so that splits of what is composed share no image.

A part's images are dealt at random into blocks, and what is composed is composed of images of one block. A block is a
group (see `Part`), and a group is never in two splits or two folds.
"""

import numpy as np

from pipeline.errors import UserError

_BLOCK = 20


def drawn(images: int, count: int, draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """For every image others of its block, at random.

    Args:
        images: N, how many a part has.
        count: C, how many of them make one composed image.
        draws: What chance takes.

    Returns:
        Numbers of images [N, C], all different in a row, each once in the first column; and each row's block [N].

    Raises:
        UserError: There are fewer images than one composed image takes.
    """
    if images < count:
        raise UserError(f"{images} images are too few to compose others of {count} each")
    blocks = np.array_split(draws.permutation(images), max(1, images // _BLOCK))
    chosen = [block[_itself_and_others(len(block), count, draws)] for block in blocks]
    return np.concatenate(chosen), np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])


def _itself_and_others(size: int, count: int, draws: np.random.Generator) -> np.ndarray:
    """Places within a block [size, count]."""
    order = draws.random((size, size))
    np.fill_diagonal(order, -1.0)
    return order.argsort(1)[:, :count]
