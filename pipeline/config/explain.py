"""Settings of `headway explain`."""

from typing import Annotated

from pydantic import Field

from pipeline.config.base import Settings
from pipeline.config.limits import ROWS


class ExplainSettings(Settings):
    """Settings of the attributions.

    Attributes:
        rows: Number of rows sampled from each source's validation split. Fewer for large images and networks:
            integrated gradients take fifty forward and backward passes per row, task and label, and occlusion one
            forward pass per token. More if a tagging task predicts entities in few rows: other rows are not explained.
    """

    rows: Annotated[int, ROWS] = Field(default=256, ge=1)
