"""What two configurations differ in, in words."""

from collections.abc import Sequence
from itertools import chain

from pipeline.config import Experiment, facts, flatten, is_of_choice

_COMPARED = ("model.", "balancing.", "training.")
_LEFT_OUT = ("training.seeds",)
_WORDS = {
    "balancing.weights": "task weights",
    "balancing.method": "balancing",
    "model.sharing": "sharing",
    "model.trunk.widths": "width",
    "model.trunk.kind": "trunk",
    "model.head.kind": "head",
    "model.head.widths": "head width",
    "model.head.dropout": "head dropout",
}


def compared(experiment: Experiment) -> dict[str, object]:
    """The settings that make a candidate what it is, by dotted key; the tasks' weights as numbers."""
    values = {key: value for key, value in flatten(experiment).items() if key.startswith(_COMPARED)}
    weights = experiment.balancing.normalised(list(experiment.tasks))
    without = {key: value for key, value in values.items() if not key.startswith("balancing.weights")}
    return without | {f"balancing.weights.{task}": round(weight, 6) for task, weight in weights.items()}


def compared_all(experiments: Sequence[Experiment]) -> dict[str, object]:
    """The settings of several networks of a candidate: where these differ in one, a list of its values by network."""
    each = [compared(it) for it in experiments]
    found = {key: [it.get(key) for it in each] for key in dict.fromkeys(chain.from_iterable(each))}
    return {key: its[0] if all(it == its[0] for it in its) else its for key, its in found.items()}


def differs_in(one: Experiment, *others: Experiment) -> str:
    """`differs in optimizer and width (and in dropout and learning rate)`; empty where none of the others differs.

    What changes the network or the rule comes first, mere numbers follow in brackets. Settings that one of them does
    not have are left out, as is that nothing is shared: the candidate's name says it.
    """
    before, after = compared(one), compared_all(others)
    keys = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    keys = [key for key in keys if (key in before and key in after) or not is_of_choice(key)]
    apart = not others[0].model.sharing.shares
    keys = [key for key in keys if key not in _LEFT_OUT and not (apart and key.startswith("model.sharing."))]
    kinds = _listed({_word(key) for key in keys if not facts(key).per_slot})
    numbers = _listed({_word(key) for key in keys if facts(key).per_slot})
    if kinds and numbers:
        return f"differs in {kinds} (and in {numbers})"
    return f"differs in {kinds or numbers}" if kinds or numbers else ""


def _word(key: str) -> str:
    known = [word for prefix, word in _WORDS.items() if key.startswith(prefix)]
    if known:
        return known[0]
    parts = key.split(".")
    return parts[2 if parts[1] in ("trunk", "head") else 1].replace("_", " ")


def _listed(words: set[str]) -> str:
    *most, last = sorted(words) or [""]
    return f"{', '.join(most)} and {last}" if most else last
