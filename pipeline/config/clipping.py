"""What an experiment may say about how far the numbers of a table reach."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from pipeline.config.base import Settings, as_tuple

Quantiles = tuple[float, float]


def _in_order(clip: Quantiles) -> Quantiles:
    low, high = clip
    if not 0.0 <= low < high <= 1.0:
        raise ValueError(f"two quantiles, 0 <= low < high <= 1, such as [0.001, 0.999], or null; found [{low}, {high}]")
    return clip


class Clipped(Settings):
    """How far the numbers of a table reach.

    Attributes:
        clip: Quantiles of the training rows between which every numeric column is clipped before it is standardised, in
            training, on test and where the model answers: a few rows far out may otherwise make up most of the error of
            all. A column that would be the same in all training rows is left as it is. Null clips nothing.
    """

    clip: Annotated[Quantiles, BeforeValidator(as_tuple), AfterValidator(_in_order)] | None = (0.001, 0.999)
