"""Dotted keys: `training.learning_rate` names one setting of an experiment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from pipeline.config.base import Settings
from pipeline.config.experiment import Experiment
from pipeline.config.facts import Facts, Step
from pipeline.config.parts import Part, drop_other_choices
from pipeline.urls import redacted

_OF_KEYS = ("tuning.space.", "tuning.base.")


@dataclass
class _Declared:
    """A setting's declaration: its facts, the settings in it by name (`*` for any name), and the parts it chooses."""

    facts: Facts = field(default_factory=Facts)
    inside: dict[str, "_Declared"] = field(default_factory=dict)
    parts: list[type[Part]] = field(default_factory=list)


@cache
def _declared() -> _Declared:
    root = _Declared()
    _declare(root, Experiment)
    return root


def _declare(parent: _Declared, annotation: Any) -> None:
    """Add all settings of a type to their parent's declaration."""
    if get_origin(annotation) is dict:
        parent.inside["*"] = member = _Declared(parent.facts.within(()))
        _declare(member, get_args(annotation)[1])
        return
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        for member_type in get_args(annotation):
            _declare(parent, member_type)
        return
    if issubclass(annotation, Part) and annotation is annotation.family:
        parent.parts.append(annotation)
        for choice in annotation.all_choices():
            _declare(parent, choice)
        return
    for name, field_info in annotation.model_fields.items():
        declared = parent.inside.setdefault(name, _Declared())
        declared.facts = parent.facts.within(field_info.metadata)
        _declare(declared, field_info.annotation)


def _at(key: str) -> _Declared:
    """The innermost declared setting on the path of a dotted key."""
    node = _declared()
    for part in key.split("."):
        inner = node.inside.get(part) or node.inside.get("*")
        if inner is None:
            return node
        node = inner
    return node


@cache
def facts(key: str) -> Facts:
    """The facts declared for the setting that a dotted key names, or is in.

    >>> facts("training.learning_rate").per_slot, sorted(facts("data.test").read_by)
    (True, ['prepare'])
    """
    return _at(key).facts


def is_of_choice(key: str) -> bool:
    """Whether a dotted key names a setting of only some choices of a part, such as `balancing.c`."""
    parent, _, name = key.rpartition(".")
    return bool(parent) and (any(name != part.chosen_by for part in _at(parent).parts) or is_of_choice(parent))


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of a settings tree by dotted key; lists are leaves, tuples become lists.

    The dotted keys in `tuning.space` and `tuning.base` follow these keys.

    >>> flatten({"training": {"epochs": 3}, "tuning": {"base": {"training.epochs": 1}}})
    {'training.epochs': 3, 'tuning.base.training.epochs': 1}
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
    """The inverse of `flatten` for keys of settings; what follows `tuning.space` or `tuning.base` is one dotted key."""
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
    """`base` overridden by `over`: mappings merge, except those declared as `WHOLE`; any other value is replaced.

    Tasks and sources without a kind, as in `tasks.price.loss`, change existing ones instead of replacing all.
    """
    result = dict(base)
    for key, value in over.items():
        path = f"{prefix}.{key}" if prefix else key
        declared, old = _at(path), result.get(key)
        for part in declared.parts if isinstance(old, str) and isinstance(value, Mapping) else ():
            old = {} if part.chosen_by in value else {part.chosen_by: old}  # in short form, such as `trunk: lenet`
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merge = both and not _replaces(declared, value)
        result[key] = merged(old, value, path) if merge else value  # type: ignore[arg-type]
    return result


def _replaces(declared: _Declared, value: Any) -> bool:
    """Whether a mapping replaces another as a whole; one of parts does if it names any choice."""
    parts = declared.inside["*"].parts if "*" in declared.inside else []
    names = any(not isinstance(it, Mapping) or part.chosen_by in it for it in value.values() for part in parts)
    return declared.facts.whole and (names or not parts)


def with_values(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with some values replaced, validated again.

    Raises:
        pydantic.ValidationError: A key is unknown or a value is invalid.
    """
    groups = {key.partition(".")[0] for key in values}  # the others are valid already, and tasks may be thousands
    others = {name: getattr(experiment, name) for name in Experiment.model_fields if name not in groups}
    return Experiment.model_validate(others | merged(_given(experiment, groups), nested(values)))


def public(experiment: Experiment, exclude_defaults: bool = False) -> dict[str, Any]:
    """The experiment as plain data that may be shown and stored: addresses without user, password and query."""
    tree = experiment.model_dump(mode="json", exclude_defaults=exclude_defaults)
    return {key: without_secrets(key, value) for key, value in tree.items()}


def without_secrets(key: str, value: Any) -> Any:
    """The value of a dotted key, a mapping of settings too, with addresses as `public` has them."""
    if isinstance(value, Mapping):
        return {name: without_secrets(f"{key}.{name}", it) for name, it in value.items()}
    return redacted(value) if isinstance(value, str) and facts(key).secret else value


def _given(experiment: Experiment, groups: set[str] | None = None) -> dict[str, Any]:
    """The values that differ from the defaults: with another choice of a part, the others take its defaults.

    Args:
        experiment: Whose values.
        groups: The names at the top of the wanted keys; None for all.
    """
    return experiment.model_dump(mode="json", exclude_defaults=True, include=groups)


def implementations(experiment: Experiment, step: Step) -> set[str]:
    """Names of the modules that implement the parts which a step reads, as chosen or as its study may choose them."""
    found: set[str] = set()
    space = experiment.tuning.space if experiment.tuning and step == "study" else {}
    for key, part in _parts_of(experiment):
        if step in facts(key).read_by:
            searched = any(it == f"{key}.{part.chosen_by}" or f"{key}.".startswith(f"{it}.") for it in space)
            for choice in part.all_choices() if searched else [type(part)]:
                found |= choice.modules()
    return found


def _parts_of(settings: Any, prefix: str = "") -> Iterator[tuple[str, Part]]:
    """All parts in a settings tree, by dotted key."""
    if isinstance(settings, Part):
        yield prefix, settings
    if isinstance(settings, Settings):
        settings = {name: getattr(settings, name) for name in type(settings).model_fields}
    for name, value in settings.items() if isinstance(settings, Mapping) else ():
        yield from _parts_of(value, f"{prefix}.{name}" if prefix else name)


def read_stored(tree: Mapping[str, Any]) -> Experiment:
    """Read an experiment that a run stored, possibly of an earlier version.

    Raises:
        pydantic.ValidationError: The tree is no valid experiment.
    """
    return Experiment.model_validate(_upgraded(tree, _declared()))


def _upgraded(tree: Any, declared: _Declared) -> Any:
    for part in declared.parts:
        tree = drop_other_choices(part, tree)
    if not isinstance(tree, Mapping):
        return tree
    inside = {key: declared.inside.get(key) or declared.inside.get("*") for key in tree}
    return {key: _upgraded(it, found) if (found := inside[key]) else it for key, it in tree.items()}


def values_read(experiment: Experiment, step: Step) -> dict[str, Any]:
    """The values that a step reads and that differ from the defaults, by dotted key, sorted.

    As defaults are left out, a new setting at its default changes no key. `RESOLVED` settings are left out.

    >>> task = {"kind": "binary", "source": "my"}
    >>> experiment = Experiment(name="my", tasks={"sold": task}, training={"batch_size": 32}, gate={"min_gain": 0.1})
    >>> values_read(experiment, "train")
    {'tasks.sold.kind': 'binary', 'tasks.sold.source': 'my', 'training.batch_size': 32}
    """
    return {
        key: value
        for key, value in sorted(flatten(_given(experiment)).items())
        if step in facts(key).read_by and not facts(key).resolved
    }


def under_base(experiment: Experiment) -> Experiment:
    """The experiment overridden by `tuning.base`: the start of the tuned arms, and their first trial.

    Raises:
        pydantic.ValidationError: A key is unknown or a value is invalid.
    """
    base = experiment.tuning.base if experiment.tuning else {}
    return with_values(experiment, base) if base else experiment


def _parts(key: str) -> list[str]:
    parent = next((it for it in _OF_KEYS if key.startswith(it)), None)
    return [*parent.split(".")[:2], key.removeprefix(parent)] if parent else key.split(".")
