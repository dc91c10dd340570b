"""Two overlapping images in one of 28 x 28, and two questions: what is at the top left, what at the bottom right.

The construction is that of the code published with Sener and Koltun 2018, "Multi-task learning as multi-objective
optimization" (arXiv 1810.04650, section 4.1), after the MultiMNIST of Sabour et al. 2017 (arXiv 1710.09829, section 6):
on a canvas of 36 x 36 one image begins at (0, 0), the other at (6, 6); where they overlap the larger value counts; and
the canvas is resized to 28 x 28 by nearest neighbours. Every image of a file is once at the top left, with another one
drawn at random: 60,000 images for training and 10,000 for test, as there. Lin et al. 2019, "Pareto multi-task learning"
(arXiv 1912.12854, section 6.1), brought Fashion-MNIST into it, alone and with MNIST.

It departs from the code in what chance decides. The other image is drawn from a block of the same file (see
`pipeline.data.sources.composed`), so that validation shares no image with train; and it is never the image itself. The
contrast of a composed image is not stretched. Lin et al. keep the canvas, move both images by up to four pixels, and
overlay different classes only, which is not done here.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.data.sources.base import Examples, Fingerprint, Part, Place, Report
from pipeline.data.sources.composed import drawn
from pipeline.data.sources.mnist import FASHION_MNIST, MNIST, MnistLike
from pipeline.draws import seed_of

_SIDE, _CANVAS, _OFFSET = 28, 36, 6
_KEPT = ((np.arange(_SIDE) + 0.5) * _CANVAS / _SIDE).astype(np.int64)
"""Which lines and columns of the canvas the nearest neighbours are."""
_AT_ONCE = 4096


@dataclass(frozen=True)
class Overlapping:
    """The class at the top left and the class at the bottom right.

    Attributes:
        top_left: Where its images come from.
        bottom_right: Likewise.
        labels: Names of the two questions.
    """

    top_left: MnistLike
    bottom_right: MnistLike
    labels: tuple[str, str] = ("left", "right")

    def fingerprint(self, place: Place) -> Fingerprint:
        """That of each data set; file names begin with its folder."""
        checksums: dict[str, str] = {}
        notes: list[str] = []
        for it in self._sets:
            found = it.fingerprint(place)
            checksums |= {f"{it.folder}/{name}": checksum for name, checksum in found.checksums.items()}
            notes += [f"{it.folder}: {note}" for note in found.notes]
        return Fingerprint(checksums, notes)

    def read(self, place: Place, report: Report) -> Examples:
        """Read the data sets and compose as many images as the smaller has."""
        found = [it.read(place, report) for it in self._sets]
        left, right = found[0], found[-1]
        assert left.test is not None
        assert right.test is not None
        report("composing images of two that overlap")
        train = self._composed("train", left.train, right.train)
        test = self._composed("test", left.test, right.test)
        sets = (self.top_left, self.bottom_right)
        classes = {label: list(it.classes) for label, it in zip(self.labels, sets, strict=True)}
        return Examples(train, test, classes, left.scale)

    @property
    def _sets(self) -> list[MnistLike]:
        """One data set or two."""
        same = self.top_left is self.bottom_right
        return [self.top_left] if same else [self.top_left, self.bottom_right]

    def _composed(self, name: str, left: Part, right: Part) -> Part:
        draws = np.random.default_rng(seed_of("overlapping", self.top_left.folder, self.bottom_right.folder, name))
        chosen, group = drawn(min(len(left.inputs), len(right.inputs)), 2, draws)
        values = (left.labels[self.top_left.label], right.labels[self.bottom_right.label])
        labels = {it: own[rows] for it, own, rows in zip(self.labels, values, chosen.T, strict=True)}
        assert isinstance(left.inputs, np.ndarray)
        assert isinstance(right.inputs, np.ndarray)
        return Part(_overlaid(left.inputs, right.inputs, chosen), labels, group)


def _overlaid(left: np.ndarray, right: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Images [N, 28, 28] of those that are chosen [N, 2]."""
    images = np.empty((len(chosen), _SIDE, _SIDE), np.uint8)
    for start in range(0, len(chosen), _AT_ONCE):
        first, second = chosen[start : start + _AT_ONCE].T
        canvas = np.zeros((len(first), _CANVAS, _CANVAS), np.uint8)
        canvas[:, :_SIDE, :_SIDE] = left[first]
        place = canvas[:, _OFFSET : _OFFSET + _SIDE, _OFFSET : _OFFSET + _SIDE]
        np.maximum(place, right[second], out=place)
        images[start : start + _AT_ONCE] = canvas[:, _KEPT][:, :, _KEPT]
    return images


MULTI_MNIST = Overlapping(MNIST, MNIST)
MULTI_FASHION = Overlapping(FASHION_MNIST, FASHION_MNIST)
FASHION_AND_MNIST = Overlapping(MNIST, FASHION_MNIST, ("digit", "garment"))
