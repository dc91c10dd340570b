"""The methods that choose the task weights, each with its settings, what it is given, and where it comes from."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.config.balancing import (
    Balancing,
    ByTask,
    DirectionMethod,
    GivenWeights,
    GradientBased,
    GramianBased,
    Need,
    NonNegative,
    Positive,
    Share,
    WeightMethod,
)
from pipeline.config.facts import PER_SLOT, WHOLE
from pipeline.config.own import OwnPath
from pipeline.plugins import named


class Fixed(GivenWeights):
    """Equal weights, given ones, or weights that the tuner searches."""

    implementation = "pipeline.balance.fixed:Fixed"
    paper = "Kurin et al. 2022, arXiv 2201.04122; Xin et al. 2022, arXiv 2209.11379"

    method: Literal["fixed"]


class RandomWeights(WeightMethod):
    """Weights drawn anew for every step: the softmax of normal draws (RLW)."""

    implementation = "pipeline.balance.fixed:Random"
    paper = "Lin et al. 2022, arXiv 2111.10603"

    method: Literal["random"]


class Uncertainty(WeightMethod):
    """A trained noise of each task: exp(-s) / 2 for a loss L, with s descending on exp(-s) L / 2 + s / 2 (UW).

    Attributes:
        learning_rate: Of the weights, or of what they come from.
    """

    implementation = "pipeline.balance.from_losses:Uncertainty"
    paper = "Kendall et al. 2018, arXiv 1705.07115"
    needs = ("losses",)
    cost = 1.06

    method: Literal["uncertainty"]
    learning_rate: Annotated[Positive, PER_SLOT] = 0.01


class IMTLL(WeightMethod):
    """A trained scale of each loss: exp(s), with s descending on exp(s) L - s (IMTL-L).

    Attributes:
        learning_rate: Of the weights, or of what they come from.
    """

    implementation = "pipeline.balance.from_losses:IMTLL"
    paper = "Liu et al. 2021, Towards impartial multi-task learning, ICLR"
    needs = ("losses",)
    cost = 1.05

    method: Literal["imtl_l"]
    learning_rate: Annotated[Positive, PER_SLOT] = 0.01


class DWA(WeightMethod):
    """More to losses that fell less between the last two epochs (dynamic weight average).

    Attributes:
        temperature: The higher, the more alike are the weights.
    """

    implementation = "pipeline.balance.from_losses:DWA"
    paper = "Liu et al. 2019, arXiv 1803.10704"
    needs = ("losses",)
    cost = 1.04

    method: Literal["dwa"]
    temperature: Annotated[Positive, PER_SLOT] = 2.0


class GLS(WeightMethod):
    """Descends on the geometric mean of the losses."""

    implementation = "pipeline.balance.from_losses:GLS"
    paper = "Chennupati et al. 2019, MultiNet++, CVPR workshops"
    needs = ("losses",)
    cost = 1.07

    method: Literal["gls"]


class FAMO(WeightMethod):
    """Lets all losses fall at a like rate, by how far each fell in the last step.

    Attributes:
        learning_rate: Of the weights, or of what they come from.
        decay: Weight decay of what the weights come from.
    """

    implementation = "pipeline.balance.from_losses:FAMO"
    paper = "Liu et al. 2023, arXiv 2306.03792"
    needs = ("losses", "losses_after")
    cost = 1.4

    method: Literal["famo"]
    learning_rate: Annotated[Positive, PER_SLOT] = 0.025
    decay: Annotated[NonNegative, PER_SLOT] = 0.001


class STCH(GivenWeights):
    """Descends on a smooth maximum of the losses, each over its mean at the end of a warm-up (smooth Tchebycheff).

    Attributes:
        mu: The smaller, the closer to the maximum.
        warmup: Epochs that descend on the sum of the losses' logarithms; one more follows where the nadir is
            estimated.
        nadir: What each loss is divided by: its mean in the epoch after the `warmup`, or numbers by task.
    """

    implementation = "pipeline.balance.from_losses:STCH"
    paper = "Lin et al. 2024, arXiv 2402.19078"
    needs = ("losses",)
    cost = 1.04

    method: Literal["stch"]
    mu: Annotated[Positive, PER_SLOT] = 1.0
    warmup: Annotated[int, Field(ge=0)] = 4
    nadir: Annotated[Literal["warmup"] | dict[str, Positive], WHOLE] = "warmup"


class PBI(GivenWeights):
    """Descends on the distance along the preferred direction of losses, and theta times that from it.

    Attributes:
        theta: The price of a distance from the preferred direction.
    """

    implementation = "pipeline.balance.from_losses:PBI"
    paper = "Zhang and Li 2007, MOEA/D, IEEE Transactions on Evolutionary Computation 11"
    needs = ("losses",)
    cost = 1.08

    method: Literal["pbi"]
    theta: Annotated[NonNegative, PER_SLOT] = 0.5


class COSMOS(WeightMethod):
    """One network for every preference r, drawn anew for every step: descends on r L - gamma cos(1 - r, L).

    Attributes:
        alpha: The concentration of the preferences that are drawn: below 1 nearer to single tasks, above 1 to equal
            shares.
        gamma: The price of an angle between the losses and their ray; compare it with the losses' size.
        ray: In which direction losses are wanted: `mirrored`, smaller where the share is larger, or `preference`,
            larger where the share is larger, as published.
        preference: What the trained network is asked for wherever nothing else is said: `equal`, or a share of each
            task, by name or in the tasks' order; they are normalised to sum to 1.
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
        """See `Balancing`."""
        given = (1.0,) * len(tasks) if isinstance(self.preference, str) else self.preference
        shares = given if isinstance(given, dict) else dict(zip(tasks, given, strict=True))
        total = sum(shares.values())
        return {task: shares[task] / total for task in tasks}

    @model_validator(mode="after")
    def _draws(self) -> "COSMOS":
        if self.alpha == 0.0:
            raise ValueError(f"method '{self.method}' draws from a Dirichlet distribution: alpha is more than 0")
        return self


class GradNorm(GramianBased):
    """Trained weights that bring the norms of the weighted gradients to a like size, more where a task lags.

    Attributes:
        alpha: The strength that brings lagging tasks back.
        learning_rate: Of the weights, or of what they come from.
    """

    implementation = "pipeline.balance.from_gradients:GradNorm"
    paper = "Chen et al. 2018, arXiv 1711.02257"
    needs = ("losses", "gramian")
    cost = 1.3

    method: Literal["gradnorm"]
    alpha: Annotated[NonNegative, PER_SLOT] = 1.5
    learning_rate: Annotated[Positive, PER_SLOT] = 0.025


class MGDA(GramianBased):
    """The convex combination of the gradients of least norm (MGDA)."""

    implementation = "pipeline.balance.solvers:mgda"
    paper = "Desideri 2012, Comptes Rendus Mathematique 350; Sener and Koltun 2018, arXiv 1810.04650"
    cost = 1.6

    method: Literal["mgda"]


class PCGrad(GramianBased):
    """Each gradient loses what conflicts with the others, taken in random order."""

    implementation = "pipeline.balance.surgery:PCGrad"
    paper = "Yu et al. 2020, arXiv 2001.06782"
    cost = 1.5

    method: Literal["pcgrad"]


class GradVac(GramianBased):
    """Each pair of gradients is brought to the cosine that it has had on average.

    Attributes:
        beta: Weight of the new cosines in their averages.
    """

    implementation = "pipeline.balance.surgery:GradVac"
    paper = "Wang et al. 2021, arXiv 2010.05874"
    cost = 1.6

    method: Literal["gradvac"]
    beta: Annotated[Share, PER_SLOT] = 0.01


class CAGrad(GramianBased):
    """The best worst descent of any task within c of the mean gradient.

    Attributes:
        c: How far from the mean gradient, in times its norm.
    """

    implementation = "pipeline.balance.solvers:CAGrad"
    paper = "Liu et al. 2021, arXiv 2110.14048"
    cost = 1.7

    method: Literal["cagrad"]
    c: Annotated[NonNegative, PER_SLOT] = 0.4


class IMTLG(GramianBased):
    """Equal projections of the sum on every task's gradient (IMTL-G)."""

    implementation = "pipeline.balance.solvers:imtl_g"
    paper = "Liu et al. 2021, Towards impartial multi-task learning, ICLR"
    cost = 1.4

    method: Literal["imtl_g"]


class NashMTL(GramianBased):
    """The Nash bargaining solution of the tasks.

    Attributes:
        max_norm: The largest norm of the shared gradient; only without `normalise`.
        iterations: Most steps of the method's own search.
    """

    implementation = "pipeline.balance.solvers:NashMTL"
    paper = "Navon et al. 2022, arXiv 2202.01017"
    cost = 1.6

    method: Literal["nash_mtl"]
    max_norm: Annotated[NonNegative, PER_SLOT] = 1.0
    iterations: Annotated[int, PER_SLOT] = Field(default=50, ge=1)

    @model_validator(mode="after")
    def _scales(self) -> "NashMTL":
        if self.normalise and self.max_norm != 1.0:
            raise ValueError(
                "normalise sets the scale of the weights, so that max_norm does nothing: leave it out, or set "
                "normalise=false"
            )
        return self


class AlignedMTL(GramianBased):
    """Gradients turned so that they neither conflict nor dominate.

    Attributes:
        scale: From which singular value.
    """

    implementation = "pipeline.balance.solvers:AlignedMTL"
    paper = "Senushkin et al. 2023, arXiv 2305.19000"
    cost = 1.5

    method: Literal["aligned_mtl"]
    scale: Literal["min", "median", "rmse"] = "min"


class DualProj(GramianBased):
    """The mean gradient, projected to where it conflicts with none (as in gradient episodic memory)."""

    implementation = "pipeline.balance.solvers:dualproj"
    paper = "Lopez-Paz and Ranzato 2017, arXiv 1706.08840; Quinton and Rey 2024, arXiv 2406.16232"
    cost = 1.5

    method: Literal["dualproj"]


class UPGrad(GramianBased):
    """The mean of the gradients, each projected to where it conflicts with none."""

    implementation = "pipeline.balance.solvers:upgrad"
    paper = "Quinton and Rey 2024, arXiv 2406.16232"
    cost = 1.5

    method: Literal["upgrad"]


class FairGrad(GramianBased):
    """Alpha-fair shares of the descent.

    Attributes:
        alpha: What is fair: 0 the sum, 1 proportional, 2 the harmonic mean, large the worst task.
        iterations: Most steps of the method's own search.
    """

    implementation = "pipeline.balance.solvers:FairGrad"
    paper = "Ban and Ji 2024, arXiv 2402.15638"
    cost = 1.6

    method: Literal["fairgrad"]
    alpha: Annotated[NonNegative, PER_SLOT] = 1.0
    iterations: Annotated[int, PER_SLOT] = Field(default=50, ge=1)


class Krum(GramianBased):
    """The gradients that lie closest to the others.

    Attributes:
        byzantine: How many gradients may be corrupt.
        selected: How many gradients are taken.
    """

    implementation = "pipeline.balance.solvers:Krum"
    paper = "Blanchard et al. 2017, arXiv 1703.02757"
    min_tasks = 3
    trainable = False
    cost = 1.8

    method: Literal["krum"]
    byzantine: int = Field(default=0, ge=0)
    selected: int = Field(default=1, ge=1)

    def required_tasks(self) -> int:
        """See `Balancing`."""
        return max(self.byzantine + 3, self.selected)


class PCD(GramianBased):
    """The first task's descent, as long as every other descends by a share of its own.

    Attributes:
        tau: The share of progress that every task but the first is owed.
        beta: Weight of the old values in their averages.
    """

    implementation = "pipeline.balance.pcd:PCD"
    paper = "arXiv 2606.29521 (priority-constrained descent), TMLR 2026"
    cost = 1.8

    method: Literal["pcd"]
    tau: Annotated[Share, PER_SLOT] = 0.02
    beta: Annotated[Share, PER_SLOT] = 0.999


class MoDo(GradientBased):
    """Descends on the norm of the combination by two independent halves of the batch (double sampling).

    Attributes:
        learning_rate: Of the weights, or of what they come from.
        rho: Its regularisation.
    """

    implementation = "pipeline.balance.double_sampling:MoDo"
    paper = "Chen et al. 2023, arXiv 2305.20057"
    needs = ("cross_gramian",)
    cost = 2.3

    method: Literal["modo"]
    gradients: Literal["parameters"] = "parameters"
    learning_rate: Annotated[Positive, PER_SLOT] = 0.1
    rho: Annotated[NonNegative, PER_SLOT] = 0.1


class SDMGrad(GradientBased):
    """The same, held near the mean gradient.

    Attributes:
        learning_rate: Of the weights, or of what they come from.
        momentum: Of its search.
        iterations: Most steps of the method's own search.
        pull: How strongly towards the mean (its lambda).
    """

    implementation = "pipeline.balance.double_sampling:SDMGrad"
    paper = "Xiao et al. 2023, arXiv 2305.18409"
    needs = ("cross_gramian",)
    cost = 2.6

    method: Literal["sdmgrad"]
    gradients: Literal["parameters"] = "parameters"
    learning_rate: Annotated[Positive, PER_SLOT] = 10.0
    momentum: Annotated[float, PER_SLOT] = Field(default=0.5, ge=0.0, lt=1.0)
    iterations: Annotated[int, PER_SLOT] = Field(default=20, ge=1)
    pull: Annotated[NonNegative, PER_SLOT] = 0.3


class ExcessMTL(GradientBased):
    """More to tasks whose excess risk is estimated to be large.

    Attributes:
        learning_rate: Of the weights, or of what they come from.
    """

    implementation = "pipeline.balance.from_gradients:ExcessMTL"
    paper = "He et al. 2024, arXiv 2402.02009"
    needs = ("jacobian",)
    cost = 1.5

    method: Literal["excess_mtl"]
    gradients: Literal["parameters"] = "parameters"
    learning_rate: Annotated[Positive, PER_SLOT] = 0.01

    def stored_per_gradient(self) -> int:
        """See `Balancing`: their squares."""
        return 1


class GradDrop(DirectionMethod):
    """Each value of the gradient keeps the sign of some tasks, drawn by how far they agree."""

    implementation = "torchjd.aggregation:GradDrop"
    paper = "Chen et al. 2020, arXiv 2010.06808"
    cost = 3.0

    method: Literal["graddrop"]


class ConFIG(DirectionMethod):
    """A direction at like angles to all gradients (conflict-free inverse gradients)."""

    implementation = "pipeline.balance.solvers:conflict_free"
    paper = "Liu et al. 2025, arXiv 2408.11104"
    cost = 1.7

    method: Literal["config"]


class TrimmedMean(DirectionMethod):
    """The mean of each value of the gradients without the extremes.

    Attributes:
        trimmed: How many values are left out at either end.
    """

    implementation = "torchjd.aggregation:TrimmedMean"
    paper = "Yin et al. 2018, Byzantine-robust distributed learning, ICML"
    min_tasks = 3
    cost = 4.1

    method: Literal["trimmed_mean"]
    trimmed: int = Field(default=1, ge=1)

    def required_tasks(self) -> int:
        """See `Balancing`."""
        return 2 * self.trimmed + 1


class OwnBalancing(GradientBased):
    """A method of one's own, see `pipeline.balance.Balancer`.

    Attributes:
        method: Its class, as `package.module:Class`.
        arguments: Its settings by name.
    """

    method: OwnPath
    arguments: dict[str, Any] = Field(default_factory=dict)

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        """As its class declares; the module is imported."""
        return tuple(named(self.method).needs)

    @property
    def reads_gradients(self) -> bool:  # type: ignore[override]
        """By what it needs."""
        return bool({"gramian", "cross_gramian", "jacobian"} & set(self.needs))

    def values(self) -> dict[str, Any]:
        """See `Balancing`."""
        return self.arguments

    def by_task(self) -> dict[str, dict[str, float] | tuple[float, ...]]:
        """See `Balancing`: nothing is known of its arguments."""
        return {}


Balancing.own = OwnBalancing
