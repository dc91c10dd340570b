"""Validation errors as one line: the key, the rule, the value found, and the closest known name."""

import difflib
import re
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.base import abbreviated
from pipeline.config.experiment import Experiment
from pipeline.config.parts import Part

_WORDS = {
    r"a valid dictionary( or instance of \w+| or object to extract fields from)?": "a mapping of keys to values",
    r"a valid tuple": "a list",
    r"^(Tuple|Dictionary) (should)": r"\2",
    r" after validation": "",
}
"""Pydantic's wording for Python types, replaced by YAML's terms."""


def one_line(error: ValidationError) -> str:
    """The most helpful problem of a validation error as one line."""
    return " ".join(_line(_most_helpful(error.errors())).split())


def _line(problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return _unknown_key(problem["loc"])
    key = ".".join(str(part) for part in _resolve(problem["loc"])[0])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"'{key}' is missing"
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key else message
    for pattern, words in _WORDS.items():
        message = re.sub(pattern, words, message)
    return f"{key}: {_lower(message)}, found {abbreviated(problem['input'])}"


def _most_helpful(problems: list[ErrorDetails]) -> ErrorDetails:
    """The problem to report: if a value may be a word or a mapping, what is wrong in the mapping, else both."""
    first = problems[0]
    if first["type"] == "missing":  # the missing key may be there, misspelt
        return next((it for it in problems if it["type"] == "extra_forbidden"), first)
    loc = first["loc"]
    if not loc or not str(loc[-1]).startswith("literal["):
        return first
    others = [problem for problem in problems[1:] if problem["loc"][: len(loc) - 1] == loc[:-1]]
    if inside := [problem for problem in others if len(problem["loc"]) > len(loc)]:
        return _most_helpful(inside)
    first["msg"] = " or ".join([first["msg"], *(problem["msg"].split(" be ")[-1] for problem in others)])
    return first


def _unknown_key(loc: tuple[int | str, ...]) -> str:
    (*parents, key), _ = _resolve(loc)
    _, annotation = _resolve(loc[:-1])
    first = next(iter(_models(annotation)))
    classes = first.all_choices() if issubclass(first, Part) else [first]
    known = list(dict.fromkeys(name for settings in classes for name in settings.model_fields))
    path = ".".join(str(part) for part in (*parents, key))
    return f"unknown key '{path}' ({_hint(str(key), known)})"


def _hint(key: str, known: list[str]) -> str:
    guess = difflib.get_close_matches(key, known, n=1)
    return f"did you mean '{guess[0]}'?" if guess else f"known here: {', '.join(known)}"


def _resolve(loc: tuple[int | str, ...]) -> tuple[list[int | str], Any]:
    """A location without the names that pydantic gives to members of a union, and the type found there."""
    path: list[int | str] = []
    annotation: Any = Experiment
    for part in loc:
        if "[" in str(part):
            annotation = _tagged(annotation, str(part)) or annotation
            continue
        if member := next((it for it in _models(annotation) if it.__name__ == part), None):
            annotation = member
            continue
        path.append(part)
        annotation = _inside(annotation, part)
    return path, annotation


def _tagged(annotation: Any, tag: str) -> Any:
    """The member of a union with a tag, or None."""
    inner = get_args(annotation)
    if any(isinstance(it, Tag) and it.tag == tag for it in inner):
        return inner[0]
    return next((found for it in inner if (found := _tagged(it, tag)) is not None), None)


def _inside(annotation: Any, key: int | str) -> Any:
    """The type of the setting at a key, a union if choices differ; for an unknown key the given type."""
    parts = [it for model in _models(annotation) if issubclass(model, Part) for it in model.all_choices()]
    types = []
    for member in (annotation, *get_args(annotation), *parts):
        if get_origin(member) is dict:
            types.append(get_args(member)[1])
        elif isinstance(member, type) and issubclass(member, BaseModel) and str(key) in member.model_fields:
            types.append(member.model_fields[str(key)].annotation)
    return Union[tuple(types)] if types else annotation  # noqa: UP007


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
