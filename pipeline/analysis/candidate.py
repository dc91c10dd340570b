"""A candidate: a frozen model that evaluate opens the test split for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.training.slot import Slot, slots_of

Role = Literal["default", "single", "separate", "tuned", "arm", "group"]

SINGLE = "single-task"
"""The name under which the single-task baselines, one network a task, stand side by side with the others."""

CONSTANT = "constant"
"""The name of the reference that always answers the same: the most frequent class, or the mean."""


@dataclass(frozen=True)
class Candidate:
    """A trained model with all its seeds.

    Attributes:
        title: Its own, such as `tuned`, `single mnist` or, of an arm, its method.
        role: What it is in the comparison.
        experiments: What each of its networks was trained with, one a slot.
        prepared: The data, seen through its tasks.
        folder: Where its networks are saved.
        history: Its `history.parquet`.
        task: Of a single-task baseline; None for all others.
        tuned: Whether a search found its settings; of the roles `tuned` and `arm` that is so in any case.
        groupings: Ways to group the tasks over networks of which this one is a part, each a candidate of its own.
    """

    title: str
    role: Role
    experiments: tuple[Experiment, ...]
    prepared: Prepared
    folder: Path
    history: Path
    task: str | None = None
    groupings: tuple[str, ...] = ()
    tuned: bool = False

    @property
    def is_tuned(self) -> bool:
        """Whether a search found its settings."""
        return self.tuned or self.role in ("tuned", "arm")

    @property
    def experiment(self) -> Experiment:
        """What its first network was trained with: tasks and data are those of all."""
        return self.experiments[0]

    @property
    def slots(self) -> list[Slot]:
        """Its networks in their order."""
        return slots_of(self.experiments, self.prepared)

    @property
    def groups(self) -> tuple[str, ...]:
        """All names under which its answers stand in tables."""
        return self.groupings if self.role == "group" else (self.group, *self.groupings)

    @property
    def group(self) -> str:
        """The name it stands under in tables and figures: all single-task baselines share one."""
        return SINGLE if self.role == "single" else self.title
