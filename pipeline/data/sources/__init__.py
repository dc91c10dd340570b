"""Sources: streams of examples with the labels of one or more tasks, one file each.

Those in `SOURCES` are built in; an experiment declares others under `sources`, and says of what kind they are.
"""

import difflib

from pipeline.config import Experiment
from pipeline.data.encodings.text import TextEncoder
from pipeline.data.sources.base import (
    SPLITS as SPLITS,
    Cutting as Cutting,
    Encoder as Encoder,
    Encoding as Encoding,
    Examples as Examples,
    Fingerprint as Fingerprint,
    Part as Part,
    Place as Place,
    Report as Report,
    Source as Source,
)
from pipeline.data.sources.digits import Digits
from pipeline.data.sources.digits_present import DigitsPresent
from pipeline.data.sources.mnist import FASHION_MNIST, MNIST
from pipeline.data.sources.overlapping import FASHION_AND_MNIST, MULTI_FASHION, MULTI_MNIST
from pipeline.errors import UserError
from pipeline.plugins import named

SOURCES: dict[str, Source] = {
    "mnist": MNIST,
    "fashion_mnist": FASHION_MNIST,
    "digits": Digits(),
    "digits_present": DigitsPresent(),
    "multi_mnist": MULTI_MNIST,
    "multi_fashion": MULTI_FASHION,
    "fashion_and_mnist": FASHION_AND_MNIST,
}


def source(experiment: Experiment, name: str) -> Source:
    """The source of that name: one that the experiment declares, else one that is built in.

    Raises:
        UserError: There is none.
    """
    if name in experiment.sources:
        settings = experiment.sources[name]
        tasks = {task: it for task, it in experiment.tasks.items() if it.source == name}
        encoder = TextEncoder(experiment.data.text, experiment.tokenizer)
        return named(settings.implementation)(name, settings, tasks, encoder)
    if name not in SOURCES:
        known = [*experiment.sources, *SOURCES]
        guess = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{guess[0]}'?" if guess else f"known: {', '.join(known)}"
        raise UserError(f"unknown source '{name}' ({hint})")
    return SOURCES[name]
