"""Reads a YAML file and `--set` values into a validated experiment, or fails with one line."""

import difflib
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import Resolver

from pipeline.config.base import abbreviated
from pipeline.config.dotted import merged, nested
from pipeline.config.experiment import Experiment
from pipeline.config.problems import one_line
from pipeline.config.project import experiment_files
from pipeline.config.space import check_space
from pipeline.errors import UserError
from pipeline.files import check_regular
from pipeline.urls import remember

STORAGE = "HEADWAY_STORAGE"
"""Names the storage of studies in the environment: after `--storage`, before `tuning.storage` of the file."""

_FEW = 10_000  # values that aliases may expand a short text to
_SHORT = 20_000  # letters that are parsed in Python
_DEEPEST = 100  # values within values
_LARGEST = 8 * 2**20  # bytes of a file

_NAMES = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null", "timestamp")}


class _Plain(SafeConstructor, Resolver):
    """Safe YAML in which 1e-3 is a number (YAML 1.2), keys are strings, and duplicate keys are errors."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag in _NAMES:
                key_node.tag = "tag:yaml.org,2002:str"  # a column called NO, on or 2024 is no boolean or number
            if not isinstance(key, str):
                continue  # a list or mapping as a key: the safe loader raises
            if key in seen:
                raise ConstructorError(None, None, f"key '{key}' is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        own = len(node.value)
        super().flatten_mapping(node)
        if len(node.value) > own + _FEW:  # merged keys of merged keys
            raise ConstructorError(None, None, "merge keys expand it too far", node.start_mark)


FLOATS = ("tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.\d*|\.\d+|\d+)[eE][-+]?\d+$"), list("-+.0123456789"))
"""Arguments of `add_implicit_resolver` for the numbers that PyYAML, which reads YAML 1.1, takes for strings."""

_Plain.add_implicit_resolver(*FLOATS)


class _Loader(_Plain, yaml.SafeLoader):
    """In Python; its messages say most."""


class _Fast(_Plain, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """By libyaml, ten times as fast."""


def load(name_or_path: str, values: Mapping[str, Any], project: Path) -> Experiment:
    """Read an experiment.

    Args:
        name_or_path: Path of the file, or its name in the project's `experiments/`.
        values: Values by dotted key that override the file's.
        project: The project folder.

    Raises:
        UserError: The file is missing, is not plain UTF-8 YAML, or is not a valid experiment.
    """
    path = find(name_or_path, project)
    tree = read_yaml(path)
    tree.setdefault("name", path.stem)
    _check_keys(values)
    try:
        experiment = Experiment.model_validate(_with_storage(merged(tree, nested(values)), values))
        check_space(experiment)
    except ValidationError as error:
        raise UserError(f"{path.name}: {one_line(error)}") from None
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from None
    return experiment


def _with_storage(tree: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the storage that the environment names, unless the command line names one."""
    tuning = tree.get("tuning", {})
    if not isinstance(tuning, Mapping):
        return tree  # nothing is searched
    given = nested(values).get("tuning")
    named = os.environ.get(STORAGE)
    if named and not (isinstance(given, Mapping) and "storage" in given):
        tree = tree | {"tuning": {**tuning, "storage": named}}
    if isinstance(storage := tree.get("tuning", {}).get("storage"), str):
        remember(storage)
    return tree


def find(name_or_path: str, project: Path) -> Path:
    """Find the file of an experiment by its path or name.

    Raises:
        UserError: There is no such file.
    """
    known = experiment_files(project)
    if name_or_path in known:
        return known[name_or_path]
    check_regular(name_or_path)
    if os.path.isfile(name_or_path):  # unlike Path.is_file, no error for a name too long to be one
        return Path(name_or_path)
    guess = difflib.get_close_matches(name_or_path, known, n=1)
    hint = f"did you mean '{guess[0]}'?" if guess else f"known: {', '.join(known) or 'none'}"
    raise UserError(f"unknown experiment '{name_or_path}': no such file, and none of that name ships ({hint})")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file.

    Raises:
        UserError: The file cannot be read, or does not hold one plain mapping.
    """
    check_regular(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path.name}: larger than {_LARGEST >> 20} MiB, which no experiment is")
        tree = _plain(path.read_text(encoding="utf-8"))
    except UserError:  # a ValueError, as what follows
        raise
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path.name}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path.name}: not plain YAML: {_yaml_problem(error)}") from None
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise UserError(f"{path.name}: an experiment is a mapping of keys to values, such as 'name: my_experiment'")
    return tree


def parse_value(text: str) -> Any:
    """Parse the value in `--set key=text` as YAML.

    >>> parse_value("[64, 64]"), parse_value("1e-3"), parse_value("null")
    ([64, 64], 0.001, None)

    Raises:
        UserError: The text is not plain YAML.
    """
    try:
        return _plain(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"value {abbreviated(text)} is not plain YAML: {_yaml_problem(error)}") from None


def _plain(text: str) -> Any:
    """Parse YAML; nested aliases may not expand it to more values than it has characters."""
    loader = _Loader if len(text) < _SHORT else _Fast
    _check_depth(yaml.parse(text, Loader=loader))
    value = yaml.load(text, Loader=loader)  # noqa: S506 (safe, see `_Plain`)
    limit = max(len(text), _FEW)
    if any(True for _ in islice(_values(value), limit, None)):
        raise ValueError(f"it holds more than {limit} values")
    return value


def _check_depth(events: Iterable[yaml.Event]) -> None:
    """Refuse values within values within values, which would fill the stack of the parser."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise ValueError(f"its values lie more than {_DEEPEST} deep within others")


def _values(value: Any) -> Iterator[Any]:
    """A value and all values within it, aliased ones each time."""
    pending = [value]
    while pending:
        yield (value := pending.pop())
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def _check_keys(values: Mapping[str, Any]) -> None:
    """Check the form of dotted keys; pydantic checks the rest."""
    for key in values:
        if not re.fullmatch(r"[^.\s]+(\.[^.\s]+)*", key):
            raise UserError(
                f"'{key}' is no dotted key; write for example training.epochs=3, and a name with a space in it within "
                "its mapping: 'sources.my.inputs={\"a b\": numeric}'"
            )


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        mark = error.problem_mark
        problem = " ".join(error.problem.split())
        return f"{problem} (line {mark.line + 1})" if mark else problem
    return " ".join(str(error).split()) or type(error).__name__
