"""What pydantic finds wrong, as one line: the key, the rule, what was found, and the nearest match."""

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
"""What pydantic says of Python's types, in the words of YAML."""


def one_line(error: ValidationError) -> str:
    """The first problem of a validation as one line."""
    return " ".join(_line(_telling(error.errors())).split())


def _line(problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return _unknown_key(problem["loc"])
    key = ".".join(str(part) for part in _followed(problem["loc"])[0])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"'{key}' is missing"
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key else message
    for pattern, words in _WORDS.items():
        message = re.sub(pattern, words, message)
    return f"{key}: {_lower(message)}, found {abbreviated(problem['input'])}"


def _telling(problems: list[ErrorDetails]) -> ErrorDetails:
    """The problem to tell: where a value is a word or something else, what is wrong inside the other, else both."""
    first = problems[0]
    if first["type"] == "missing":  # perhaps what is missing is there, and misspelt
        return next((it for it in problems if it["type"] == "extra_forbidden"), first)
    loc = first["loc"]
    if not loc or not str(loc[-1]).startswith("literal["):
        return first
    others = [problem for problem in problems[1:] if problem["loc"][: len(loc) - 1] == loc[:-1]]
    for problem in others:
        if len(problem["loc"]) > len(loc):
            return problem
    first["msg"] = " or ".join([first["msg"], *(problem["msg"].split(" be ")[-1] for problem in others)])
    return first


def _unknown_key(loc: tuple[int | str, ...]) -> str:
    (*parents, key), _ = _followed(loc)
    _, annotation = _followed(loc[:-1])
    first = next(iter(_models(annotation)))
    classes = first.all_choices() if issubclass(first, Part) else [first]
    known = list(dict.fromkeys(name for it in classes for name in it.model_fields))
    path = ".".join(str(part) for part in (*parents, key))
    return f"unknown key '{path}' ({_hint(str(key), known)})"


def _hint(found: str, known: list[str]) -> str:
    guess = difflib.get_close_matches(found, known, n=1)
    return f"did you mean '{guess[0]}'?" if guess else f"known here: {', '.join(known)}"


def _followed(loc: tuple[int | str, ...]) -> tuple[list[int | str], Any]:
    """The path without the names that pydantic gives to the members of a union, and the type to which it leads."""
    path: list[int | str] = []
    annotation: Any = Experiment
    for part in loc:
        if "[" in str(part):
            annotation = _tagged(annotation, str(part)) or annotation
            continue
        path.append(part)
        annotation = _inside(annotation, part)
    return path, annotation


def _tagged(annotation: Any, tag: str) -> Any:
    """The member of a union that has a tag, or None."""
    inner = get_args(annotation)
    if any(isinstance(it, Tag) and it.tag == tag for it in inner):
        return inner[0]
    return next((found for it in inner if (found := _tagged(it, tag)) is not None), None)


def _inside(annotation: Any, key: int | str) -> Any:
    """The type of what a key leads to, a union where choices differ; of what it does not know, the type itself."""
    parts = [it for model in _models(annotation) if issubclass(model, Part) for it in model.all_choices()]
    found = []
    for one in (annotation, *get_args(annotation), *parts):
        if get_origin(one) is dict:
            found.append(get_args(one)[1])
        elif isinstance(one, type) and issubclass(one, BaseModel) and str(key) in one.model_fields:
            found.append(one.model_fields[str(key)].annotation)
    return Union[tuple(found)] if found else annotation  # noqa: UP007


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
