"""scikit-learn's bundled digits: 1,797 images of 8 x 8, sixteen grey levels, and three questions about each."""

from dataclasses import dataclass

import numpy as np

from pipeline.data.sources import idx
from pipeline.data.sources.base import Examples, Fingerprint, Part, Place, Report, sklearn_data

_FILE = "digits.csv.gz"


@dataclass(frozen=True)
class Digits:
    """The digit, whether it is odd, and whether it is at least five. The same for every variant."""

    def fingerprint(self, place: Place) -> Fingerprint:
        """The checksum of the file that scikit-learn brings."""
        return Fingerprint({_FILE: idx.checksum(sklearn_data() / _FILE)})

    def read(self, place: Place, report: Report) -> Examples:
        """Read all images as a training part; there is no test part."""
        rows = np.loadtxt(sklearn_data() / _FILE, dtype=np.uint8, delimiter=",")  # of 64 pixels and the digit
        images, digit = rows[:, :-1], rows[:, -1].astype(np.int64)
        labels = {"digit": digit, "parity": digit % 2, "at_least_five": (digit >= 5).astype(np.int64)}
        classes = {
            "digit": list("0123456789"),
            "parity": ["even", "odd"],
            "at_least_five": ["below_five", "five_or_more"],
        }
        return Examples(Part(images.reshape(-1, 8, 8), labels), None, classes, scale=16.0)
