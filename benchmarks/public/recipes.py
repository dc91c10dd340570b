"""How a job is run: as drafted, and in ways under which the answer must not turn."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULTS, LONGER, FOLDS, COMPARE, LOOP = "defaults", "four times the updates", "folds=4", "compare", "plain loop"

SPLITS = 10
"""Of penguins, as drafted."""

WHOLE, WITHOUT = "all of diamonds", "all of diamonds without clarity"
AS_DRAFTED = (WHOLE, WITHOUT)
"""Data that are run with the defaults only."""
METHODS = ("uncertainty", "famo")
"""Two that cost little."""


@dataclass(frozen=True)
class Recipe:
    """A way to run a job.

    Attributes:
        name: Of it.
        settings: `--set` values.
        times: Multiple of the updates of `auto`.
        compares: By `headway compare`.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1
    compares: bool = False

    @property
    def has_references(self) -> bool:
        """Whether references are computed as well: the split is that of the others of the table."""
        return self.name == DEFAULTS


RECIPES = {
    it.name: it
    for it in (
        Recipe(DEFAULTS),
        Recipe(FOLDS, {"training.folds": 4}),
        Recipe(COMPARE, {"compare.methods": METHODS}, compares=True),
        Recipe(LONGER, times=4),
        Recipe(LOOP),
    )
}


def planned(names: list[str]) -> Iterator[tuple[str, str, int]]:
    """Data, recipe and seed of every job: the splits of penguins and digits first.

    Args:
        names: Of all data, in their order.
    """
    jobs = [("penguins", recipe, 0) for recipe in RECIPES if recipe != LOOP]
    jobs += [("penguins", DEFAULTS, seed) for seed in range(1, SPLITS)]
    jobs += [("digits", recipe, 0) for recipe in (LOOP, *(it for it in RECIPES if it != LOOP))]
    others = [name for name in names if name not in ("penguins", "digits", *AS_DRAFTED)]
    jobs += [(name, recipe, 0) for name in others for recipe in RECIPES if recipe != LOOP]
    yield from [*jobs, *((name, DEFAULTS, 0) for name in AS_DRAFTED if name in names)]
