"""Sources: streams of examples with the labels of one or more tasks, one file each.

Those in `SOURCES` are built in; an experiment declares others under `sources`, and says of what kind they are.
"""

import difflib
from collections.abc import Mapping

from pipeline.config import Experiment
from pipeline.config.sources import OwnSettings, SourceSettings
from pipeline.config.tasks import TaskSettings
from pipeline.data.sources.base import (
    SPLITS,
    Cutting,
    Encoder,
    Encoding,
    Examples,
    Fingerprint,
    Part,
    Place,
    Report,
    Source,
    Stream,
)
from pipeline.data.sources.digits import Digits
from pipeline.data.sources.digits_present import DigitsPresent
from pipeline.data.sources.mnist import FASHION_MNIST, MNIST
from pipeline.data.sources.overlapping import FASHION_AND_MNIST, MULTI_FASHION, MULTI_MNIST
from pipeline.errors import UserError

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
        tasks = {task: settings for task, settings in experiment.tasks.items() if settings.source == name}
        return _declared(name, experiment.sources[name], tasks, experiment)
    if name not in SOURCES:
        known = [*experiment.sources, *SOURCES]
        guess = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{guess[0]}'?" if guess else f"known: {', '.join(known)}"
        raise UserError(f"unknown source '{name}' ({hint})")
    return SOURCES[name]


def _declared(name: str, settings: SourceSettings, tasks: Mapping[str, TaskSettings], experiment: Experiment) -> Source:
    """A source that an experiment declares; imports are late, since what is built in does without pyarrow."""
    if isinstance(settings, OwnSettings):
        from pipeline.data.sources.own import Own

        return Own(name, settings)
    match settings.kind:
        case "table":
            from pipeline.data.sources.table import Table

            return Table(name, settings, tasks)
        case "text":
            from pipeline.data.encodings.text import TextEncoder
            from pipeline.data.sources.text import Text

            return Text(name, settings, tasks, TextEncoder(experiment.data.text, experiment.tokenizer))
        case "tokens":
            from pipeline.data.encodings.text import TextEncoder
            from pipeline.data.sources.tokens import Tokens

            return Tokens(settings, TextEncoder(experiment.data.text, experiment.tokenizer))
        case "images":
            from pipeline.data.sources.images import Images

            return Images(name, settings, tasks)
        case "medmnist":
            from pipeline.data.sources.medmnist import MedMnist

            return MedMnist(name, settings)
        case "torchvision":
            from pipeline.data.sources.torchvision_sets import TorchvisionSet

            return TorchvisionSet(name, settings)
        case "sklearn":
            from pipeline.data.sources.sklearn_sets import SklearnSet

            return SklearnSet(name, settings)


__all__ = [
    "SOURCES",
    "SPLITS",
    "Cutting",
    "Encoder",
    "Encoding",
    "Examples",
    "Fingerprint",
    "Part",
    "Place",
    "Report",
    "Source",
    "Stream",
    "source",
]
