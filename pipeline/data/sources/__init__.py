"""Sources: streams of examples with the labels of one or more tasks, one file each."""

import difflib

from pipeline.data.sources.base import Examples, Fingerprint, Part, Place, Report, Source
from pipeline.data.sources.digits import Digits
from pipeline.data.sources.digits_present import DigitsPresent
from pipeline.data.sources.mnist import FASHION_MNIST, MNIST
from pipeline.errors import UserError

SOURCES: dict[str, Source] = {
    "mnist": MNIST,
    "fashion_mnist": FASHION_MNIST,
    "digits": Digits(),
    "digits_present": DigitsPresent(),
}


def source(name: str) -> Source:
    """The source of that name.

    Raises:
        UserError: There is none.
    """
    if name not in SOURCES:
        guess = difflib.get_close_matches(name, SOURCES, n=1)
        hint = f"did you mean '{guess[0]}'?" if guess else f"known: {', '.join(SOURCES)}"
        raise UserError(f"unknown source '{name}' ({hint})")
    return SOURCES[name]


__all__ = ["SOURCES", "Examples", "Fingerprint", "Part", "Place", "Report", "Source", "source"]
