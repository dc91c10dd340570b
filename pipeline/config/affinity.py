"""What an experiment may say about which of its tasks should share a network."""

from pydantic import Field

from pipeline.config.base import Settings

TOGETHER = "together"
"""The grouping that all others are held against: one network for all tasks."""


class AffinitySettings(Settings):
    """How `headway affinity` finds groups of tasks, and how it holds them against others.

    Attributes:
        networks: Into how many networks the tasks may be grouped, at most.
        every: Steps from one look at the tasks' gradients to the next, while all tasks train together.
        check: Most networks that are trained to check the proposal, beside the one of all tasks and those of each task
            alone. Where every grouping into so few networks takes no more, all of them are held against each other;
            else the proposal and the grouping of which least is expected.
    """

    networks: int = Field(default=2, ge=1)
    every: int = Field(default=10, ge=1)
    check: int = Field(default=12, ge=2)
