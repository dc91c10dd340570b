"""What an experiment may say about explaining its network."""

from pydantic import Field

from pipeline.config.base import Settings


class ExplainSettings(Settings):
    """How `headway explain` looks at the network.

    Attributes:
        rows: Rows of each source's validation split that are drawn. Fewer for large images and networks: integrated
            gradients pass each row, task and label through the network and back fifty times, and occlusion each text
            once a token. More where a tagging task finds entities in few rows: the others are not explained.
    """

    rows: int = Field(default=256, ge=1)
