"""Facts about a setting that its type does not hold, declared next to it, for example `Annotated[int, PER_SLOT]`.

A setting inherits `read_by` from the group of settings that it is in, unless it declares its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Step = Literal["prepare", "train", "study", "tune", "select", "evaluate", "report", "explain", "compare", "affinity"]
"""A step whose result can depend on a setting. `study` is the identity of a study, whatever its number of trials."""


@dataclass(frozen=True)
class Facts:
    """Facts about one setting.

    Attributes:
        read_by: Steps whose results depend on the setting; empty for one that changes no result.
        resolved: Whether keys hold what the setting resolves to (a device, a file's checksum) instead of its value.
        per_slot: Whether the networks of one stack may differ in it.
        same_cost: Whether a training step takes equally long whatever its value.
        whole: Whether a file or `--set` replaces the mapping as a whole, instead of merging into it.
        secret: Whether it may hold a password.
        layout: Whether it changes no result, in a group of settings that do.
    """

    read_by: frozenset[Step] = frozenset()
    resolved: bool = False
    per_slot: bool = False
    same_cost: bool = False
    whole: bool = False
    secret: bool = False
    layout: bool = False

    def within(self, metadata: Iterable[Any]) -> "Facts":
        """Facts about a setting of this group.

        >>> Facts(read_by=frozenset({"train"})).within([PER_SLOT]).per_slot
        True

        Args:
            metadata: Metadata of the setting's type annotation.
        """
        facts = replace(self, whole=False)
        for declared in metadata:
            if isinstance(declared, Facts):
                given = {it.name: getattr(declared, it.name) for it in fields(declared)}
                facts = replace(facts, **{name: value for name, value in given.items() if value})
        return replace(facts, read_by=frozenset()) if facts.layout else facts


def read_by(*steps: Step) -> Facts:
    """Declare the steps whose results depend on a setting, or on a group of them."""
    return Facts(read_by=frozenset(steps))


RESOLVED, PER_SLOT, SAME_COST = Facts(resolved=True), Facts(per_slot=True), Facts(same_cost=True)
WHOLE, SECRET, LAYOUT = Facts(whole=True), Facts(secret=True), Facts(layout=True)
