"""What pydantic finds wrong, as one line: the key, the rule, what was found, and the nearest match."""

import difflib
import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.base import shown
from pipeline.config.experiment import Experiment

_WORDS = {
    r"a valid dictionary( or instance of \w+)?": "a mapping of keys to values",
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
    key = ".".join(str(part) for part in _named(problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"'{key}' is missing"
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key else message
    for pattern, words in _WORDS.items():
        message = re.sub(pattern, words, message)
    return f"{key}: {_lower(message)}, found {shown(problem['input'])}"


def _telling(problems: list[ErrorDetails]) -> ErrorDetails:
    """The problem to tell: where a value is a word or something else, what is wrong inside the other, else both."""
    first = problems[0]
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
    *parents, key = _named(loc)
    known = list(_settings_at(parents))
    guess = difflib.get_close_matches(str(key), known, n=1)
    path = ".".join(str(part) for part in (*parents, key))
    hint = f"did you mean '{guess[0]}'?" if guess else f"known here: {', '.join(known)}"
    return f"unknown key '{path}' ({hint})"


def _settings_at(parents: list[int | str]) -> dict[str, Any]:
    """The fields of the settings to which a path of keys leads."""
    model: type[BaseModel] = Experiment
    for part in parents:
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else None
        model = next((kind for kind in _models(annotation)), model)
    return dict(model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _named(loc: tuple[int | str, ...]) -> list[int | str]:
    """The path without the names that pydantic gives to the members of a union."""
    return [part for part in loc if "[" not in str(part)]


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
