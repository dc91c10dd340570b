"""The settings of an experiment, as Markdown: names, types, defaults and text are those of `pipeline.config`."""

import inspect
import json
import re
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipeline.config import Experiment
from pipeline.config.balancing import Balancing
from pipeline.config.base import Settings
from pipeline.config.parts import Part

_HEADER = "| setting | value | default | is |\n| --- | --- | --- | --- |"
_PLAIN = {
    bool: "true or false", int: "whole number", float: "number", str: "text", Any: "any", type(None): "null",
    dict: "mapping",
}  # fmt: skip
_BOUNDS = {Ge: ("at least", "ge"), Gt: ("above", "gt"), Le: ("at most", "le"), Lt: ("below", "lt")}


def settings() -> str:
    """A section for each group of settings, and under it one for each of its choices."""
    return "\n".join(_group(Experiment, "", 2))


def balancers() -> str:
    """A table of the balancing methods: what each is, what it reads, and its paper."""
    rows = (
        f"| `{name}` | {_cell(it.summary())} | {', '.join(f'`{need}`' for need in it.needs)} | {_cell(it.paper)} |"
        for name, it in Balancing.choices.items()
    )
    return "\n".join(["| method | is | reads | paper |", "| --- | --- | --- | --- |", *rows])


def described(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """A type in words, with its bounds.

    >>> described(int | None), described(tuple[float, float]), described(Literal["sgd", "adam"])
    ('whole number or null', '[number, number]', '`sgd` or `adam`')
    """
    bounds = [
        f"{text} {getattr(it, name)}" for it in _flat(metadata) for kind, (text, name) in _BOUNDS.items()
        if isinstance(it, kind)
    ]  # fmt: skip
    return " ".join([_unbounded(annotation), *([f"({', '.join(bounds)})"] if bounds else [])])


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    """Metadata with what `Field` declares in it."""
    for it in metadata:
        yield from it.metadata if isinstance(it, FieldInfo) else [it]


def _unbounded(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if origin is Annotated:
        return described(inner[0], inner[1:])
    if origin in (Union, types.UnionType):
        return _either(described(it) for it in inner)
    if origin is Literal:
        return _either(f"`{_written(it)}`" for it in inner)
    if origin is tuple:
        return f"list of: {described(inner[0])}" if inner[-1] is ... else f"[{', '.join(map(described, inner))}]"
    if origin is dict:
        return f"mapping of names to: {described(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return f"a {annotation.part}: its name, or a mapping"
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return "a group, see below"
    return getattr(annotation, "__name__", str(annotation))


def _either(words: Iterable[str]) -> str:
    *some, last = dict.fromkeys(words)
    return f"{', '.join(some)} or {last}" if some else last


def _written(value: Any) -> str:
    """A value as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, Part):
        return f"`{value.choice_name}`"
    if isinstance(value, Settings):
        return ""
    if isinstance(value, dict) and value:
        return ", ".join(f"`{name}`" for name in value)
    return f"`{_written(value)}`" if value != "" else "none"


def texts(group: type[Settings]) -> dict[str, str]:
    """What docstrings say of each setting; a class comes before its bases."""
    found: dict[str, str] = {}
    for owner in group.__mro__:
        attributes = inspect.cleandoc(owner.__dict__.get("__doc__") or "").partition("Attributes:\n")[2]
        for name, text in re.findall(r"^    (\w+): (.*(?:\n     .*)*)", attributes, re.MULTILINE):
            found.setdefault(name, " ".join(text.split()))
    return found


def _groups(annotation: Any) -> Iterator[type[Settings]]:
    """The groups of settings that a type names."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for inner in get_args(annotation):
        yield from _groups(inner)


def _group(group: type[Settings], prefix: str, level: int) -> Iterator[str]:
    yield from _table(group.model_fields, group, prefix)
    for name, field in group.model_fields.items():
        key = f"{prefix}{name}"
        for inner in dict.fromkeys(_groups(field.annotation)):
            variant = f", {inner.__name__}" if len([*_groups(field.annotation)]) > 1 else ""
            yield f"\n{'#' * level} {key}{variant}\n\n{_summary(inner)}\n"
            if issubclass(inner, Part):
                yield from _choices(inner, key, level + 1)
            else:
                yield from _group(inner, f"{key}." if not variant else "", min(level + 1, 4))


def _choices(part: type[Part], key: str, level: int) -> Iterator[str]:
    common = {name: it for name, it in part.model_fields.items() if name != part.chosen_by}
    if common:
        yield "All of them have:\n"
        yield from _table(common, part, "")
    for choice in part.all_choices():
        names = [name for name, it in part.choices.items() if it is choice] or ["package.module:Class"]
        yield f"\n{'#' * level} {key}, {part.chosen_by} {', '.join(names)}\n\n{_summary(choice)}\n"
        if paper := getattr(choice, "paper", ""):
            yield f"Paper: {_cell(paper)}.\n"
        fields = choice.model_fields.items()
        own = {name: it for name, it in fields if name != part.chosen_by and _differs(common.get(name), it)}
        if own:
            yield from _table(own, choice, "")


def _differs(inherited: FieldInfo | None, field: FieldInfo) -> bool:
    """Whether a choice has a setting of its own, or another default than all have."""
    return inherited is None or _default(inherited) != _default(field)


def _table(fields: dict[str, FieldInfo], owner: type[Settings], prefix: str) -> Iterator[str]:
    said = texts(owner)
    yield _HEADER
    for name, field in fields.items():
        kind = described(field.annotation, field.metadata)
        text = said.get(name) or _summary(next(_groups(field.annotation), owner))
        yield f"| `{prefix}{name}` | {_cell(kind)} | {_cell(_default(field))} | {_cell(text)} |"
    yield ""


def _summary(group: type[Settings]) -> str:
    return " ".join((group.__doc__ or "").partition("Attributes:")[0].split())


def _cell(text: str) -> str:
    """Text that stands in a table."""
    return text.replace("|", "\\|")
