"""Dotted keys: `training.learning_rate` names one value of an experiment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from pipeline.config.experiment import Experiment
from pipeline.config.facts import Facts, Step
from pipeline.config.parts import Part, without_others

_OF_KINDS = ("tasks", "sources")
_OF_KEYS = ("tuning.space.", "tuning.base.")


@dataclass
class _Declared:
    """A setting as it is declared: its facts, and the settings in it by name, `*` for those of any name."""

    facts: Facts = field(default_factory=Facts)
    inside: dict[str, "_Declared"] = field(default_factory=dict)
    parts: list[type[Part]] = field(default_factory=list)


@cache
def _declared() -> _Declared:
    root = _Declared()
    _declare(root, Experiment)
    return root


def _declare(at: _Declared, annotation: Any) -> None:
    """Note all settings of a type below a setting."""
    if get_origin(annotation) is dict:
        at.inside["*"] = member = _Declared(at.facts.within(()))
        _declare(member, get_args(annotation)[1])
        return
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        for one in get_args(annotation):
            _declare(at, one)
        return
    if issubclass(annotation, Part) and annotation is annotation.family:
        at.parts.append(annotation)
        for choice in annotation.all_choices():
            _declare(at, choice)
        return
    for name, it in annotation.model_fields.items():
        found = at.inside.setdefault(name, _Declared())
        found.facts = at.facts.within(it.metadata)
        _declare(found, it.annotation)


def _at(key: str) -> _Declared:
    """The innermost declared setting that a dotted key leads to."""
    node = _declared()
    for part in key.split("."):
        inner = node.inside.get(part) or node.inside.get("*")
        if inner is None:
            return node
        node = inner
    return node


@cache
def facts(key: str) -> Facts:
    """What is declared of the setting that a dotted key names, or lies in."""
    return _at(key).facts


def is_of_choice(key: str) -> bool:
    """Whether a dotted key names a setting that only some choices of a part have."""
    parent, _, name = key.rpartition(".")
    return bool(parent) and (any(name != part.chosen_by for part in _at(parent).parts) or is_of_choice(parent))


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of a settings tree by dotted key; lists are leaves, tuples become lists.

    `tuning.space` and `tuning.base` are keyed by dotted keys themselves: they stay behind their own key.
    """
    if isinstance(tree, BaseModel):
        tree = tree.model_dump(mode="json")
    if isinstance(tree, Mapping) and tree:
        leaves: dict[str, Any] = {}
        for key, value in tree.items():
            leaves |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
        return leaves
    return {prefix: tree}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of `flatten` for keys that name settings; `tuning.space` and `.base` take a dotted key behind."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *parents, last = _parts(key)
        node = tree
        for parent in parents:
            child = node.get(parent)
            node[parent] = node = child if isinstance(child, dict) else {}
        node[last] = value
    return tree


def merged(base: Mapping[str, Any], over: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`over` laid on `base`: mappings merge, except those in `REPLACED`; anything else replaces.

    Tasks and sources that do not say what kind they are, as in `tasks.price.loss`, change those that are there.
    """
    result = dict(base)
    for key, value in over.items():
        path = f"{prefix}.{key}" if prefix else key
        declared, old = _at(path), result.get(key)
        for part in declared.parts if isinstance(old, str) and isinstance(value, Mapping) else ():
            old = {} if part.chosen_by in value else {part.chosen_by: old}  # given in short, such as `trunk: lenet`
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merge = both and (not declared.facts.whole or (path in _OF_KINDS and not _says_kinds(value)))
        result[key] = merged(old, value, path) if merge else value  # type: ignore[arg-type]
    return result


def _says_kinds(members: Mapping[str, Any]) -> bool:
    return any(not isinstance(member, Mapping) or "kind" in member for member in members.values())


def with_values(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with some values replaced, validated anew.

    Raises:
        pydantic.ValidationError: A key is unknown or a value is out of its range.
    """
    return Experiment.model_validate(merged(_given(experiment), nested(values)))


def _given(experiment: Experiment) -> dict[str, Any]:
    """What differs from the defaults: another choice of a part has defaults of its own."""
    return experiment.model_dump(mode="json", exclude_defaults=True)


def read_stored(tree: Mapping[str, Any]) -> Experiment:
    """An experiment as a run stored it, perhaps by an earlier version.

    Raises:
        pydantic.ValidationError: It is none.
    """
    return Experiment.model_validate(_upgraded(tree, _declared()))


def _upgraded(tree: Any, declared: _Declared) -> Any:
    for part in declared.parts:
        tree = without_others(part, tree)
    if not isinstance(tree, Mapping):
        return tree
    inside = {key: declared.inside.get(key) or declared.inside.get("*") for key in tree}
    return {key: _upgraded(it, found) if (found := inside[key]) else it for key, it in tree.items()}


def values_read(experiment: Experiment, step: Step) -> dict[str, Any]:
    """The values that a step's result depends on and that differ from the defaults, by dotted key, sorted.

    Keeping defaults out means that a new setting, at its default, changes no key. Settings of which the key has what
    they stand for are left out.
    """
    return {
        key: value
        for key, value in sorted(flatten(_given(experiment)).items())
        if step in (found := facts(key)).read_by and not found.resolved
    }


def under_base(experiment: Experiment) -> Experiment:
    """The experiment with `tuning.base` laid over it: what the tuned arms and their first trials are.

    Raises:
        pydantic.ValidationError: A key is unknown or a value is out of its range.
    """
    base = experiment.tuning.base if experiment.tuning else {}
    return with_values(experiment, base) if base else experiment


def _parts(key: str) -> list[str]:
    parent = next((it for it in _OF_KEYS if key.startswith(it)), None)
    return [*parent.split(".")[:2], key.removeprefix(parent)] if parent else key.split(".")
