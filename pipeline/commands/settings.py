"""The settings of an experiment by dotted key, with the values that a setting with a choice takes."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from pipeline.config import Experiment
from pipeline.config.parts import Part

_EITHER = (Union, UnionType)
_SPELLED = {True: "true", False: "false", None: "null"}


def settings(experiment: Experiment | None = None) -> dict[str, tuple[str, ...]]:
    """The values that each setting may take, where these are a choice; of other settings none.

    Args:
        experiment: Whose settings: those of its tasks, sources and chosen parts; None for all that any may have.

    >>> settings()["device"], settings()["training.seeds"]
    (('auto', 'cpu', 'cuda'), ())
    """
    return dict(_within(Experiment, experiment, ""))


def _within(annotation: Any, value: Any, key: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The settings in one of a type."""
    if models := [*_models(annotation)]:
        if get_origin(annotation) in _EITHER and any(not [*_models(it)] for it in get_args(annotation)):
            yield key, tuple(_choices(annotation))
        chosen = [type(value)] if isinstance(value, BaseModel) else models
        for model in chosen:
            for name, field in model.model_fields.items():
                inner = f"{key}.{name}" if key else name
                if issubclass(model, Part) and name == model.chosen_by:
                    yield inner, tuple(model.family.choices)
                else:
                    yield from _within(field.annotation, getattr(value, name, None), inner)
    elif members := next(_members(annotation), None):
        yield key, ()
        for name, member in value.items() if isinstance(value, Mapping) else ():
            yield from _within(members, member, f"{key}.{name}")
    else:
        yield key, tuple(dict.fromkeys(_choices(annotation)))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The groups of settings that a type may be; of a part all choices."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if issubclass(annotation, Part) and annotation is annotation.family:
            yield from annotation.all_choices()
        else:
            yield annotation
    elif get_origin(annotation) is not dict:
        for inner in get_args(annotation):
            yield from _models(inner)


def _members(annotation: Any) -> Iterator[Any]:
    """The type of a mapping's values, where these are groups of settings."""
    if get_origin(annotation) is dict and next(_models(get_args(annotation)[1]), None):
        yield get_args(annotation)[1]


def _choices(annotation: Any) -> Iterator[str]:
    """The values of a type, as far as they can be listed."""
    if get_origin(annotation) is Literal:
        yield from (_SPELLED.get(it, str(it)) for it in get_args(annotation))
    elif annotation is bool:
        yield from ("true", "false")
    elif annotation is type(None):
        yield "null"
    elif get_origin(annotation) not in (dict, tuple, list):
        for inner in get_args(annotation):
            if not isinstance(inner, str | int):
                yield from _choices(inner)
