"""Settings of the decision whether sharing helps, hurts, or makes no difference that matters."""

from typing import Annotated

from pydantic import Field

from pipeline.config.base import Settings
from pipeline.config.facts import read_by


class DecisionSettings(Settings):
    """The decision of `run`, `compare` and `affinity`; it has no effect on training.

    Attributes:
        margin: The largest difference that does not matter: 0.01 is one hundredth of accuracy, ROC-AUC, entity F1 and
            R2, one percent of delta-m, and one percent of the error of a constant prediction.
    """

    margin: Annotated[float, read_by("select", "report", "compare", "affinity")] = Field(default=0.01, gt=0.0)
