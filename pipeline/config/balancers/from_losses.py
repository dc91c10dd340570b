"""Methods with given or random weights, and methods that read the tasks' losses."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.balancing import (
    ByTask,
    GivenWeights,
    NonNegative,
    Positive,
    WeightMethod,
)
from pipeline.config.facts import PER_SLOT, WHOLE
from pipeline.config.limits import STEPS


class Fixed(GivenWeights):
    """Equal weights, given ones, or weights that the tuner searches."""

    implementation = "pipeline.balance.fixed:Fixed"
    paper = "Kurin et al. 2022, arXiv 2201.04122; Xin et al. 2022, arXiv 2209.11379"

    method: Literal["fixed"]


class RandomWeights(WeightMethod):
    """Random weights in every step: the softmax of normal draws (RLW)."""

    implementation = "pipeline.balance.fixed:Random"
    paper = "Lin et al. 2022, arXiv 2111.10603"

    method: Literal["random"]


class Uncertainty(WeightMethod):
    """Trained task noise: weights exp(-s) / 2, where s minimises exp(-s) L / 2 + s / 2 (uncertainty weighting).

    Attributes:
        learning_rate: Learning rate of the method's own parameters.
    """

    implementation = "pipeline.balance.from_losses:Uncertainty"
    paper = "Kendall et al. 2018, arXiv 1705.07115"
    needs = ("losses",)
    cost = 1.06

    method: Literal["uncertainty"]
    learning_rate: Annotated[Positive, PER_SLOT] = 0.01


class IMTLL(WeightMethod):
    """A trained scale of each loss: weights exp(s), where s minimises exp(s) L - s (IMTL-L).

    Attributes:
        learning_rate: Learning rate of the method's own parameters.
    """

    implementation = "pipeline.balance.from_losses:IMTLL"
    paper = "Liu et al. 2021, Towards impartial multi-task learning, ICLR"
    needs = ("losses",)
    cost = 1.05

    method: Literal["imtl_l"]
    learning_rate: Annotated[Positive, PER_SLOT] = 0.01


class DWA(WeightMethod):
    """Larger weights for losses that decreased less between the last two epochs (dynamic weight average).

    Attributes:
        temperature: Softmax temperature; a higher one makes the weights more equal.
    """

    implementation = "pipeline.balance.from_losses:DWA"
    paper = "Liu et al. 2019, arXiv 1803.10704"
    needs = ("losses",)
    cost = 1.04

    method: Literal["dwa"]
    temperature: Annotated[Positive, PER_SLOT] = 2.0


class GLS(WeightMethod):
    """Minimises the geometric mean of the losses (GLS)."""

    implementation = "pipeline.balance.from_losses:GLS"
    paper = "Chennupati et al. 2019, MultiNet++, CVPR workshops"
    needs = ("losses",)
    cost = 1.07

    method: Literal["gls"]


class FAMO(WeightMethod):
    """Decreases all losses at a similar rate, judged by their decrease in the last step (FAMO).

    Attributes:
        learning_rate: Learning rate of the method's own parameters.
        decay: Weight decay of the method's own parameters.
    """

    implementation = "pipeline.balance.from_losses:FAMO"
    paper = "Liu et al. 2023, arXiv 2306.03792"
    needs = ("losses", "losses_after")
    cost = 1.4

    method: Literal["famo"]
    learning_rate: Annotated[Positive, PER_SLOT] = 0.025
    decay: Annotated[NonNegative, PER_SLOT] = 0.001


class STCH(GivenWeights):
    """Minimises a smooth maximum of the losses, each relative to its mean after a warm-up (smooth Tchebycheff).

    Attributes:
        mu: Smoothing; a smaller one is closer to the maximum.
        warmup: Epochs that minimise the sum of the log-losses; one more follows if the nadir is estimated.
        nadir: Divisor of each loss: its mean in the epoch after the `warmup`, or numbers by task.
    """

    implementation = "pipeline.balance.from_losses:STCH"
    paper = "Lin et al. 2024, arXiv 2402.19078"
    needs = ("losses",)
    cost = 1.04

    method: Literal["stch"]
    mu: Annotated[Positive, PER_SLOT] = 1.0
    warmup: Annotated[int, Field(ge=0), STEPS] = 4
    nadir: Annotated[Literal["warmup"] | dict[str, Positive], WHOLE] = "warmup"


class PBI(GivenWeights):
    """Minimises the losses' length along a direction plus theta times their distance from it (PBI).

    Attributes:
        theta: Penalty on the distance from the direction, which `weights` give.
    """

    implementation = "pipeline.balance.from_losses:PBI"
    paper = "Zhang and Li 2007, MOEA/D, IEEE Transactions on Evolutionary Computation 11"
    needs = ("losses",)
    cost = 1.08

    method: Literal["pbi"]
    theta: Annotated[NonNegative, PER_SLOT] = 0.5


class COSMOS(WeightMethod):
    """One network for all preferences r, sampled in every step: minimises r L - gamma cos(1 - r, L) (COSMOS).

    Attributes:
        alpha: Concentration of the Dirichlet distribution of preferences: below 1 closer to single tasks, above 1 to
            equal shares.
        gamma: Weight of the cosine term, relative to the size of the losses.
        ray: Target direction of the losses: `mirrored`, smaller losses for larger shares, or `preference`, larger
            losses for larger shares, as published.
        preference: Preference for which the trained network predicts by default: `equal`, or one share per task, by
            name or in the tasks' order; they are normalised to sum to 1.
    """

    implementation = "pipeline.balance.from_losses:COSMOS"
    paper = "Ruchte and Grabocka 2021, arXiv 2103.13392"
    needs = ("losses",)
    takes_preference = True
    cost = 1.23

    method: Literal["cosmos"]
    alpha: Annotated[NonNegative, PER_SLOT] = 1.2
    gamma: Annotated[NonNegative, PER_SLOT] = 0.5
    ray: Literal["mirrored", "preference"] = "mirrored"
    preference: ByTask = "equal"

    def default_preference(self, tasks: Sequence[str]) -> dict[str, float]:
        """The setting `preference`, normalised to sum to 1."""
        preference = (1.0,) * len(tasks) if isinstance(self.preference, str) else self.preference
        shares = preference if isinstance(preference, dict) else dict(zip(tasks, preference, strict=True))
        total = sum(shares.values())
        return {task: shares[task] / total for task in tasks}

    @model_validator(mode="after")
    def _draws(self) -> "COSMOS":
        if self.alpha == 0.0:
            raise ValueError(f"method '{self.method}' draws from a Dirichlet distribution: alpha is more than 0")
        return self
