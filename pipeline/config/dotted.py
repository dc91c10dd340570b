"""Dotted keys: `training.learning_rate` names one value of an experiment."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from pipeline.config.experiment import Experiment
from pipeline.config.tasks import TaskSettings

REPLACED = (
    "tasks", "sources", "balancing.weights", "balancing.preference", "balancing.nadir", "tuning.space", "tuning.base",
)  # fmt: skip
"""Mappings that a file or `--set` gives whole; all others merge with their defaults."""

_OF_KINDS = ("tasks", "sources")
_OF_KEYS = ("tuning.space.", "tuning.base.")
_SHORT = ("model.sharing", "model.trunk", "model.head")


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
        old = _long(path, result.get(key), value)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merge = both and (path not in REPLACED or (path in _OF_KINDS and not _says_kinds(value)))
        result[key] = merged(old, value, path) if merge else value  # type: ignore[arg-type]
    return result


def _long(path: str, old: Any, value: Any) -> Any:
    """A kind given in short, such as `trunk: lenet`, as the mapping that further settings belong to."""
    short = path in _SHORT and isinstance(old, str) and isinstance(value, Mapping) and "kind" not in value
    return {"kind": old} if short else old


def _says_kinds(members: Mapping[str, Any]) -> bool:
    return any(not isinstance(member, Mapping) or "kind" in member for member in members.values())


def with_values(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with some values replaced, validated anew.

    Raises:
        pydantic.ValidationError: A key is unknown or a value is out of its range.
    """
    tree = experiment.model_dump(mode="json")
    for part in ("sharing", "trunk"):  # another kind has defaults of its own
        tree["model"][part] = getattr(experiment.model, part).given()
    return Experiment.model_validate(merged(tree, nested(values)))


def changed(experiment: Experiment, prefixes: tuple[str, ...]) -> dict[str, Any]:
    """The values under `prefixes` that differ from the documented defaults, by dotted key, sorted.

    Keeping defaults out means that a new setting, at its default, changes no key.
    """
    own = experiment.sources
    values = {key: value for key, value in flatten(experiment).items() if not key.startswith("sources")}
    values |= flatten({name: it.model_dump(mode="json", exclude_defaults=True) for name, it in own.items()}, "sources")
    plain = {name: TaskSettings(kind=task.kind, source=task.source) for name, task in experiment.tasks.items()}
    given = ("name", *(f"tasks.{name}.{key}" for name in plain for key in ("kind", "source")))
    defaults = {key: value for key, value in flatten(Experiment(name="x", tasks=plain)).items() if key not in given}
    # A mapping that replaces counts whole: a space with fewer dimensions than the default one differs from it.
    whole = [key for key in REPLACED if key not in _OF_KINDS]
    differing = tuple(f"{key}." for key in whole if _under(key, values) != _under(key, defaults))
    return {
        key: value
        for key, value in sorted(values.items())
        if key.startswith(prefixes) and (key.startswith(differing) or key not in defaults or defaults[key] != value)
    }


def _under(parent: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key.startswith(f"{parent}.")}


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
