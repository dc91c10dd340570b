"""Which reader each label of a declared source has."""

from collections.abc import Mapping

from pipeline.config.sources import Separated
from pipeline.config.tasks import TaskSettings
from pipeline.data.sources.labels import LabelReader, reader_of
from pipeline.data.sources.separated import SeparatedReader
from pipeline.errors import UserError


def readers_of(
    source: str, tasks: Mapping[str, TaskSettings], several: Mapping[str, tuple[str, ...] | Separated]
) -> dict[str, LabelReader]:
    """A reader for each label that a task predicts.

    Args:
        source: Name of the source, for messages.
        tasks: Those that have their labels here.
        several: By label, what a multilabel task predicts at once.

    Raises:
        UserError: A task is of a kind that its label is not.
    """
    kinds: dict[str, str] = {}
    for task, settings in tasks.items():
        label = settings.label or task
        kind = kinds.setdefault(label, settings.kind)
        if (kind == "regression") != (settings.kind == "regression"):
            raise UserError(f"tasks.{task}: label '{label}' is a number for one task and a class for another")
    return {label: _reader(label, kind, several.get(label), f"source '{source}'") for label, kind in kinds.items()}


def _reader(label: str, kind: str, several: tuple[str, ...] | Separated | None, source: str) -> LabelReader:
    if not isinstance(several, Separated):
        return reader_of(label, kind, several, source)
    if kind != "multilabel":
        raise UserError(f"{source}: label '{label}' has several words a row, which is for multilabel tasks, not {kind}")
    return SeparatedReader(label, several)
