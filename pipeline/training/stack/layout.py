"""What the slots of a stack have in common: their settings, and how the data that each sees are laid out.

Numbers may differ: rows, statistics, the means and ranges of targets, the counts and weights of classes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

from pipeline.data.prepared import Prepared
from pipeline.training.slot import Slot
from pipeline.training.stack.network import task_shapes

Shape = tuple[tuple[str, str], ...]
"""Slots of equal shapes can share a stack."""


def shapes(prepared: Prepared, slots: Sequence[Slot]) -> list[Shape]:
    """The shape of each slot.

    Args:
        prepared: The data, seen through the tasks that are trained.
        slots: Any.
    """
    views = dict.fromkeys((slot.replicate, slot.fold) for slot in slots)
    layouts = {view: _layout(prepared, *view) for view in views}
    return [(("data", layouts[slot.replicate, slot.fold]), *slot.shape()) for slot in slots]


def validated_rows(prepared: Prepared, replicate: int | None, fold: int | None) -> dict[str, int]:
    """How many rows of each source are validated at a time, by a slot alone as well as beside others.

    They are as many as any replicate has that learns from as many: of these some may have a row or two more.
    """
    own = prepared.view(replicate, fold)
    others = [it.holding_out(fold) for it in (prepared.replicates if replicate is not None else ())]
    alike = [own, *(it for it in others if it.train_rows == own.train_rows)]
    return {source: max(it.sources[source].rows.get("validation", 0) for it in alike) for source in own.sources}


def _layout(prepared: Prepared, replicate: int | None, fold: int | None) -> str:
    seen = prepared.view(replicate, fold)
    tagged = {name: (it.classes, it.length) for name, it in seen.tasks.items() if it.definition.per_token}
    found = {
        "train": seen.train_rows,
        "validation": validated_rows(prepared, replicate, fold),
        "tasks": {name: asdict(shape) for name, shape in task_shapes(seen).items()},
        "tagged": tagged,
    }
    return json.dumps(found, sort_keys=True)
