"""Settings of clipping the numeric columns of a table."""

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
    """Clipping of the numeric columns of a table.

    Attributes:
        clip: Quantiles of the training rows to which every numeric column is clipped before it is standardised, in
            training, evaluation and prediction: a few outliers may otherwise dominate the error. A column that would
            become constant on the training rows is clipped to their range instead. null for no clipping, except that a
            column which is constant on the training rows keeps that value in every row.
    """

    clip: Annotated[Quantiles, BeforeValidator(as_tuple), AfterValidator(_in_order)] | None = (0.001, 0.999)
