"""Settings of `headway affinity`."""

from typing import Annotated

from pydantic import Field

from pipeline.config.base import Settings
from pipeline.config.limits import PARTS, STEPS

TOGETHER = "together"
"""The grouping that all others are compared with: one network for all tasks."""


class AffinitySettings(Settings):
    """How groups of tasks are proposed, and how they are checked.

    Attributes:
        networks: Largest number of networks into which the tasks are grouped.
        every: Steps between two measurements of the tasks' affinities, while all tasks train together.
        check: Largest number of networks that are trained to check the proposal, beside the one for all tasks and the
            single-task ones. If all groupings together need no more, all are compared; else the proposal and the
            grouping with the lowest expected gain.
    """

    networks: Annotated[int, PARTS] = Field(default=2, ge=1)
    every: Annotated[int, STEPS] = Field(default=10, ge=1)
    check: Annotated[int, PARTS] = Field(default=12, ge=2)
