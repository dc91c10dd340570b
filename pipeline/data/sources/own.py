"""A source of the user's own: what is asked of it, held against what it answers.

A class is asked for two things, see `pipeline.data.sources.Source`: `fingerprint(place)`, what its examples depend on,
and `read(place, report)`, the examples. It is made with the `arguments` of the experiment, and with `path` where the
experiment gives one, which `place.of(path)` leads to.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pipeline.config.sources import OwnSettings
from pipeline.data.sources.base import Examples, Fingerprint, Part, Place, Report, Source
from pipeline.errors import Failure, UserError
from pipeline.plugins import fingerprint, first_line, own_class, part

T = TypeVar("T")


class Own:
    """A declared source of the user's own.

    Args:
        name: Of the source.
        settings: What the experiment says of it.

    Raises:
        UserError: It is not there, cannot be made, or lacks a method.
    """

    def __init__(self, name: str, settings: OwnSettings, *_: object) -> None:
        self._what, self._kind = f"source '{name}' ({settings.kind})", settings.kind
        path = {"path": settings.path} if settings.path is not None else {}
        for method in ("fingerprint", "read"):
            own_class(settings.kind, method)
        self._source: Source = part(settings.kind, {**path, **settings.arguments}, "read")

    def fingerprint(self, place: Place) -> Fingerprint:
        """What the source says its examples depend on, and its code."""
        found = self._asked(lambda: self._source.fingerprint(place), Fingerprint, "fingerprint")
        if not all(isinstance(it, str) for pair in found.checksums.items() for it in pair):
            raise UserError(f"{self._what}: checksums are texts by name, found {found.checksums}")
        return Fingerprint({**found.checksums, f"code of {self._kind}": fingerprint(self._kind)}, found.notes)

    def read(self, place: Place, report: Report) -> Examples:
        """The examples, which are what they should be."""
        examples = self._asked(lambda: self._source.read(place, report), Examples, "read")
        if problem := wrong(examples):
            raise UserError(f"{self._what}: {problem}")
        return examples

    def _asked(self, ask: Callable[[], T], wanted: type[T], method: str) -> T:
        try:
            found = ask()
        except (UserError, Failure):
            raise
        except Exception as error:
            raise UserError(f"{self._what}: {method}: {first_line(error)}") from error
        if not isinstance(found, wanted):
            raise UserError(f"{self._what}: {method} should answer {wanted.__name__}, not {type(found).__name__}")
        return found


def wrong(examples: Examples) -> str | None:
    """What is wrong with examples, if anything."""
    parts = {"train": examples.train} | ({"test": examples.test} if examples.test is not None else {})
    for name, it in parts.items():
        if problem := _wrong_part(it, examples):
            return f"{name}: {problem}"
    shapes = [_shape(it) for it in parts.values()]
    if len({shape for shape in shapes if shape is not None}) > 1:
        return f"rows of train have the shape {list(shapes[0] or ())}, those of test {list(shapes[1] or ())}"
    return None


def _wrong_part(it: Any, examples: Examples) -> str | None:
    if not isinstance(it, Part):
        return f"should be a Part, not a {type(it).__name__}"
    if not isinstance(it.inputs, np.ndarray) and not hasattr(it.inputs, "chunks"):
        return f"inputs are an array [N, ...], or an object with chunks(), not {type(it.inputs).__name__}"
    if not isinstance(it.labels, dict) or not isinstance(examples.classes, dict):
        return "labels and classes are mappings by the name of the label"
    rows = len(it.inputs)
    if not rows:
        return "no rows"
    if isinstance(it.inputs, np.ndarray):
        if it.inputs.ndim < 2 or it.inputs.dtype.kind not in "uif":
            return f"inputs are numbers [N, ...], found {it.inputs.dtype} {list(it.inputs.shape)}"
        if it.inputs.dtype.kind == "f" and not np.isfinite(it.inputs).all():
            return f"row {np.argwhere(~np.isfinite(it.inputs))[0][0]} of inputs has a value that is no finite number"
    if set(it.labels) != set(examples.classes):
        return f"labels are {sorted(it.labels)} and classes {sorted(examples.classes)}: both have the same names"
    beside = {name: array for name in ("group", "time", "split") if (array := getattr(it, name)) is not None}
    for name, array in (*it.labels.items(), *beside.items()):
        if not isinstance(array, np.ndarray) or len(array) != rows:
            found = len(array) if hasattr(array, "__len__") else type(array).__name__
            return f"'{name}' is an array of a value for each of {rows} rows, found {found}"
    problems = (_wrong_label(name, array, examples.classes[name]) for name, array in it.labels.items())
    return next(filter(None, problems), None)


def _wrong_label(name: str, array: np.ndarray, classes: list[str]) -> str | None:
    if not all(isinstance(it, str) for it in classes):
        return f"classes of '{name}' are texts, found {classes}"
    if array.ndim == 2:
        unknown = np.isnan(array) if array.dtype.kind == "f" else None
        if unknown is None or not np.isin(array[~unknown], (0.0, 1.0)).all() or array.shape[1] != len(classes):
            return f"'{name}' is several labels a row: floats [N, {len(classes)}] of 1, 0 and NaN where unknown"
        return None
    if array.ndim != 1 or array.dtype.kind not in "if":
        return f"'{name}' is whole numbers [N] or floats [N] or [N, L], found {array.dtype} {list(array.shape)}"
    if array.dtype.kind == "i" and (array.min() < -1 or array.max() >= len(classes)):
        return f"'{name}' is from 0 to {len(classes) - 1}, or -1; found {array.min()} to {array.max()}"
    if array.dtype.kind == "f" and classes:
        return f"'{name}' is a number a row and has no classes: give it an empty list"
    return None


def _shape(it: Part) -> tuple[int, ...] | None:
    return it.inputs.shape[1:] if isinstance(it.inputs, np.ndarray) else None
