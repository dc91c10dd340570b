"""What is known of a setting beside its type: declared next to it, as `Annotated[int, PER_SLOT]`, and read from there.

A group of settings passes `read_by` on to those in it, unless they declare their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Step = Literal["prepare", "train", "study", "tune", "select", "evaluate", "report", "explain", "compare", "affinity"]
"""A step whose result can depend on a setting. `study`: what makes it the same study, whatever its number of trials."""


@dataclass(frozen=True)
class Facts:
    """Facts about one setting.

    Attributes:
        read_by: Steps whose results depend on its value; none for a setting that changes no result.
        resolved: The steps' keys have what it stands for (a device, a file's checksum) in place of its value.
        per_slot: The networks of one stack may differ in it.
        same_cost: A training step takes as long whatever its value.
        whole: A mapping that a file or `--set` replaces as a whole.
        secret: It may hold a password.
    """

    read_by: frozenset[Step] = frozenset()
    resolved: bool = False
    per_slot: bool = False
    same_cost: bool = False
    whole: bool = False
    secret: bool = False

    def within(self, metadata: Iterable[Any]) -> "Facts":
        """Facts about a setting of this group.

        Args:
            metadata: Of its type annotation.
        """
        found = replace(self, whole=False)
        for declared in metadata:
            if isinstance(declared, ReadBy):
                found = replace(found, read_by=frozenset(declared.steps))
            elif isinstance(declared, Facts):
                flags: dict[str, Any] = {it.name: True for it in fields(declared) if getattr(declared, it.name) is True}
                found = replace(found, **flags)
        return found


@dataclass(frozen=True)
class ReadBy:
    """Declares which steps' results depend on a setting, or on a group of them."""

    steps: tuple[Step, ...]


def read_by(*steps: Step) -> ReadBy:
    """See `ReadBy`."""
    return ReadBy(steps)


INERT = ReadBy(())
RESOLVED, PER_SLOT, SAME_COST = Facts(resolved=True), Facts(per_slot=True), Facts(same_cost=True)
WHOLE, SECRET = Facts(whole=True), Facts(secret=True)
