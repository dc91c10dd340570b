"""What an experiment may say about when sharing helps, hurts, or makes no difference that matters."""

from typing import Annotated

from pydantic import Field

from pipeline.config.base import Settings
from pipeline.config.facts import read_by


class DecisionSettings(Settings):
    """How `run`, `compare` and `affinity` decide; training knows nothing of it.

    Attributes:
        margin: The largest difference that does not matter: 0.01 is a hundredth of accuracy, ROC-AUC, entity F1 and
            R2, one percent of delta-m, and of an error one percent of what always answering the mean has.
    """

    margin: Annotated[float, read_by("select", "report", "compare", "affinity")] = Field(default=0.01, gt=0.0)
