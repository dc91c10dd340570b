"""Composed images: up to four MNIST digits in a 2 x 2 grid, and three questions about what is in it.

Made from MNIST's own parts, train from train and test from test, by a fixed seed: the same for every experiment. Every
digit is in each part's grids about as often as it is drawn; a cell stays empty with a probability of one quarter. No
digit is in two splits: see `pipeline.data.sources.composed`.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.data.sources.base import Examples, Fingerprint, Part, Place, Report
from pipeline.data.sources.composed import drawn
from pipeline.data.sources.mnist import MNIST
from pipeline.draws import seed_of

_CELLS = 4
_EMPTY = 0.25
_DIGITS = 10


@dataclass(frozen=True)
class DigitsPresent:
    """Which digits occur (ten labels at once), their sum (a number), and how many there are (a class)."""

    def fingerprint(self, place: Place) -> Fingerprint:
        """MNIST's."""
        return MNIST.fingerprint(place)

    def read(self, place: Place, report: Report) -> Examples:
        """Read MNIST and compose as many images as it has."""
        digits = MNIST.read(place, report)
        assert digits.test is not None
        report("composing images of up to four digits")
        classes = {
            "present": [str(digit) for digit in range(_DIGITS)],
            "sum": [],
            "count": [str(count) for count in range(_CELLS + 1)],
        }
        parts = {name: _composed(part, name) for name, part in (("train", digits.train), ("test", digits.test))}
        return Examples(parts["train"], parts["test"], classes, digits.scale)


def _composed(part: Part, name: str) -> Part:
    """As many grids [N, 56, 56] as the part has digits, each of different ones."""
    images, values = part.inputs, part.labels[MNIST.label]
    assert isinstance(images, np.ndarray)
    draws = np.random.default_rng(seed_of("digits_present", name))
    rows = len(images)
    chosen, group = drawn(rows, _CELLS, draws)
    shown = draws.random((rows, _CELLS)) >= _EMPTY
    height, width = images.shape[1:]
    grids = np.zeros((rows, 2 * height, 2 * width), np.uint8)
    for cell in range(_CELLS):
        top, left = height * (cell // 2), width * (cell % 2)
        place = grids[:, top : top + height, left : left + width]
        np.multiply(images[chosen[:, cell]], shown[:, cell, None, None], out=place)
    digits = values[chosen]
    present = np.zeros((rows, _DIGITS))
    for digit in range(_DIGITS):
        present[:, digit] = ((digits == digit) & shown).any(1)
    total = (digits * shown).sum(1).astype(np.float64)
    return Part(grids, {"present": present, "sum": total, "count": shown.sum(1).astype(np.int64)}, group)
