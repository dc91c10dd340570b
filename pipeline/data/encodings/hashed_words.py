"""Free text as a few numbers: its words hashed with signs (Weinberger et al. 2009, arXiv 0902.2206, section 2).

Each word adds 1 or -1 to one of W numbers, so that those of two texts have the scalar product that their words have,
but for noise. A copy of this file goes into every model that reads such columns.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from pipeline.data.encodings.words import WORDS, tokens_of

WIDTH = 64
"""W, where nothing else is said."""


def hashed_rows(texts: Sequence[str], places: np.ndarray, width: int) -> np.ndarray:
    """The numbers of each row's text, float64 [B, W]; zeros where it is missing.

    Args:
        texts: Different texts.
        places: Of each row's among them [B], -1 where missing.
        width: W.
    """
    return np.array([*(hashed_words(text, width) for text in texts), np.zeros(width)])[places]


def hashed_words(text: str, width: int) -> np.ndarray:
    """Sums of signs, float64 [W], scaled to a mean square of 1; zeros of a text without words."""
    found = np.zeros(width)
    for token in tokens_of(text, WORDS):
        number = zlib.crc32(token.lower().encode(errors="replace"))
        found[number % width] += 1.0 if number >> 31 else -1.0
    length = float(np.sqrt(np.square(found).mean()))
    return found / length if length else found
