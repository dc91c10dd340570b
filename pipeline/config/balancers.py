"""The methods that choose the task weights, each with its settings, what it is given, and where it comes from."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.config.balancing import (
    Balancing,
    ByTask,
    Directed,
    FromGradients,
    FromGramian,
    Need,
    NonNegative,
    Positive,
    Share,
    Weighing,
    Weighted,
)
from pipeline.config.facts import PER_SLOT, WHOLE
from pipeline.config.own import OwnPath
from pipeline.plugins import named


class Fixed(Weighted):
    """Equal weights, given ones, or weights that the tuner searches."""

    implementation = "pipeline.balance.fixed:Fixed"
    paper = "Kurin et al. 2022, arXiv 2201.04122; Xin et al. 2022, arXiv 2209.11379"

    method: Literal["fixed"]


class RandomWeights(Weighing):
    """Weights drawn anew for every step: the softmax of normal draws (RLW)."""

    implementation = "pipeline.balance.fixed:Random"
    paper = "Lin et al. 2022, arXiv 2111.10603"

    method: Literal["random"]


class Uncertainty(Weighing):
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


class IMTLL(Weighing):
    """A trained scale of each loss: exp(s), with s descending on exp(s) L - s (IMTL-L).

    Attributes:
        learning_rate: Of the weights, or of what they come from.
    """

    implementation = "pipeline.balance.from_losses:LearntScale"
    paper = "Liu et al. 2021, Towards impartial multi-task learning, ICLR"
    needs = ("losses",)
    cost = 1.05

    method: Literal["imtl_l"]
    learning_rate: Annotated[Positive, PER_SLOT] = 0.01


class DWA(Weighing):
    """More to losses that fell less between the last two epochs (dynamic weight average).

    Attributes:
        temperature: The higher, the more alike are the weights.
    """

    implementation = "pipeline.balance.from_losses:DynamicAverage"
    paper = "Liu et al. 2019, arXiv 1803.10704"
    needs = ("losses",)
    cost = 1.04

    method: Literal["dwa"]
    temperature: Annotated[Positive, PER_SLOT] = 2.0


class GLS(Weighing):
    """Descends on the geometric mean of the losses."""

    implementation = "pipeline.balance.from_losses:GeometricMean"
    paper = "Chennupati et al. 2019, MultiNet++, CVPR workshops"
    needs = ("losses",)
    cost = 1.07

    method: Literal["gls"]


class FAMO(Weighing):
    """Lets all losses fall at a like rate, by how far each fell in the last step.

    Attributes:
        learning_rate: Of the weights, or of what they come from.
        decay: Weight decay of what the weights come from.
    """

    implementation = "pipeline.balance.from_losses:Famo"
    paper = "Liu et al. 2023, arXiv 2306.03792"
    needs = ("losses", "losses_after")
    cost = 1.4

    method: Literal["famo"]
    learning_rate: Annotated[Positive, PER_SLOT] = 0.025
    decay: Annotated[NonNegative, PER_SLOT] = 0.001


class STCH(Weighted):
    """Descends on a smooth maximum of the losses, each over its mean at the end of a warm-up (smooth Tchebycheff).

    Attributes:
        mu: The smaller, the closer to the maximum.
        warmup: Epochs that descend on the sum of the losses' logarithms; one more follows where the nadir is
            estimated.
        nadir: What each loss is divided by: its mean in the epoch after the `warmup`, or numbers by task.
    """

    implementation = "pipeline.balance.from_losses:SmoothMaximum"
    paper = "Lin et al. 2024, arXiv 2402.19078"
    needs = ("losses",)
    cost = 1.04

    method: Literal["stch"]
    mu: Annotated[Positive, PER_SLOT] = 1.0
    warmup: Annotated[int, Field(ge=0)] = 4
    nadir: Annotated[Literal["warmup"] | dict[str, Positive], WHOLE] = "warmup"


class PBI(Weighted):
    """Descends on the distance along the preferred direction of losses, and theta times that from it.

    Attributes:
        theta: The price of a distance from the preferred direction.
    """

    implementation = "pipeline.balance.from_losses:Boundary"
    paper = "Zhang and Li 2007, MOEA/D, IEEE Transactions on Evolutionary Computation 11"
    needs = ("losses",)
    cost = 1.08

    method: Literal["pbi"]
    theta: Annotated[NonNegative, PER_SLOT] = 0.5


class COSMOS(Weighing):
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

    implementation = "pipeline.balance.from_losses:Cosmos"
    paper = "Ruchte and Grabocka 2021, arXiv 2103.13392"
    needs = ("losses",)
    conditions = True
    cost = 1.23

    method: Literal["cosmos"]
    alpha: Annotated[NonNegative, PER_SLOT] = 1.2
    gamma: Annotated[NonNegative, PER_SLOT] = 0.5
    ray: Literal["mirrored", "preference"] = "mirrored"
    preference: ByTask = "equal"

    def preferred(self, tasks: Sequence[str]) -> dict[str, float]:
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


class GradNorm(FromGramian):
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


class MGDA(FromGramian):
    """The convex combination of the gradients of least norm (MGDA)."""

    implementation = "pipeline.balance.solvers:least_norm"
    paper = "Desideri 2012, Comptes Rendus Mathematique 350; Sener and Koltun 2018, arXiv 1810.04650"
    cost = 1.6

    method: Literal["mgda"]


class PCGrad(FromGramian):
    """Each gradient loses what conflicts with the others, taken in random order."""

    implementation = "pipeline.balance.surgery:Surgery"
    paper = "Yu et al. 2020, arXiv 2001.06782"
    cost = 1.5

    method: Literal["pcgrad"]


class GradVac(FromGramian):
    """Each pair of gradients is brought to the cosine that it has had on average.

    Attributes:
        beta: Weight of the new cosines in their averages.
    """

    implementation = "pipeline.balance.surgery:Vaccine"
    paper = "Wang et al. 2021, arXiv 2010.05874"
    cost = 1.6

    method: Literal["gradvac"]
    beta: Annotated[Share, PER_SLOT] = 0.01


class CAGrad(FromGramian):
    """The best worst descent of any task within c of the mean gradient.

    Attributes:
        c: How far from the mean gradient, in times its norm.
    """

    implementation = "pipeline.balance.solvers:ConflictAverse"
    paper = "Liu et al. 2021, arXiv 2110.14048"
    cost = 1.7

    method: Literal["cagrad"]
    c: Annotated[NonNegative, PER_SLOT] = 0.4


class IMTLG(FromGramian):
    """Equal projections of the sum on every task's gradient (IMTL-G)."""

    implementation = "pipeline.balance.solvers:impartial"
    paper = "Liu et al. 2021, Towards impartial multi-task learning, ICLR"
    cost = 1.4

    method: Literal["imtl_g"]


class NashMTL(FromGramian):
    """The Nash bargaining solution of the tasks.

    Attributes:
        max_norm: The largest norm of the shared gradient; only without `normalise`.
        iterations: Most steps of the method's own search.
    """

    implementation = "pipeline.balance.solvers:Nash"
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


class AlignedMTL(FromGramian):
    """Gradients turned so that they neither conflict nor dominate.

    Attributes:
        scale: From which singular value.
    """

    implementation = "pipeline.balance.solvers:Aligned"
    paper = "Senushkin et al. 2023, arXiv 2305.19000"
    cost = 1.5

    method: Literal["aligned_mtl"]
    scale: Literal["min", "median", "rmse"] = "min"


class DualProj(FromGramian):
    """The mean gradient, projected to where it conflicts with none (as in gradient episodic memory)."""

    implementation = "pipeline.balance.solvers:dual_projection"
    paper = "Lopez-Paz and Ranzato 2017, arXiv 1706.08840; Quinton and Rey 2024, arXiv 2406.16232"
    cost = 1.5

    method: Literal["dualproj"]


class UPGrad(FromGramian):
    """The mean of the gradients, each projected to where it conflicts with none."""

    implementation = "pipeline.balance.solvers:unconflicting"
    paper = "Quinton and Rey 2024, arXiv 2406.16232"
    cost = 1.5

    method: Literal["upgrad"]


class FairGrad(FromGramian):
    """Alpha-fair shares of the descent.

    Attributes:
        alpha: What is fair: 0 the sum, 1 proportional, 2 the harmonic mean, large the worst task.
        iterations: Most steps of the method's own search.
    """

    implementation = "pipeline.balance.solvers:Fair"
    paper = "Ban and Ji 2024, arXiv 2402.15638"
    cost = 1.6

    method: Literal["fairgrad"]
    alpha: Annotated[NonNegative, PER_SLOT] = 1.0
    iterations: Annotated[int, PER_SLOT] = Field(default=50, ge=1)


class Krum(FromGramian):
    """The gradients that lie closest to the others.

    Attributes:
        byzantine: How many gradients may be corrupt.
        selected: How many gradients are taken.
    """

    implementation = "pipeline.balance.solvers:Krum"
    paper = "Blanchard et al. 2017, arXiv 1703.02757"
    least = 3
    trainable = False
    cost = 1.8

    method: Literal["krum"]
    byzantine: int = Field(default=0, ge=0)
    selected: int = Field(default=1, ge=1)

    def least_tasks(self) -> int:
        """See `Balancing`."""
        return max(self.byzantine + 3, self.selected)


class PCD(FromGramian):
    """The first task's descent, as long as every other descends by a share of its own.

    Attributes:
        tau: The share of progress that every task but the first is owed.
        beta: Weight of the old values in their averages.
    """

    implementation = "pipeline.balance.priority:PriorityConstrained"
    paper = "arXiv 2606.29521 (priority-constrained descent), TMLR 2026"
    cost = 1.8

    method: Literal["pcd"]
    tau: Annotated[Share, PER_SLOT] = 0.02
    beta: Annotated[Share, PER_SLOT] = 0.999


class MoDo(FromGradients):
    """Descends on the norm of the combination by two independent halves of the batch (double sampling).

    Attributes:
        learning_rate: Of the weights, or of what they come from.
        rho: Its regularisation.
    """

    implementation = "pipeline.balance.double_sampling:DoubleSampled"
    paper = "Chen et al. 2023, arXiv 2305.20057"
    needs = ("cross_gramian",)
    cost = 2.3

    method: Literal["modo"]
    gradients: Literal["parameters"] = "parameters"
    learning_rate: Annotated[Positive, PER_SLOT] = 0.1
    rho: Annotated[NonNegative, PER_SLOT] = 0.1


class SDMGrad(FromGradients):
    """The same, held near the mean gradient.

    Attributes:
        learning_rate: Of the weights, or of what they come from.
        momentum: Of its search.
        iterations: Most steps of the method's own search.
        pull: How strongly towards the mean (its lambda).
    """

    implementation = "pipeline.balance.double_sampling:DirectionOriented"
    paper = "Xiao et al. 2023, arXiv 2305.18409"
    needs = ("cross_gramian",)
    cost = 2.6

    method: Literal["sdmgrad"]
    gradients: Literal["parameters"] = "parameters"
    learning_rate: Annotated[Positive, PER_SLOT] = 10.0
    momentum: Annotated[float, PER_SLOT] = Field(default=0.5, ge=0.0, lt=1.0)
    iterations: Annotated[int, PER_SLOT] = Field(default=20, ge=1)
    pull: Annotated[NonNegative, PER_SLOT] = 0.3


class ExcessMTL(FromGradients):
    """More to tasks whose excess risk is estimated to be large.

    Attributes:
        learning_rate: Of the weights, or of what they come from.
    """

    implementation = "pipeline.balance.from_gradients:ExcessRisk"
    paper = "He et al. 2024, arXiv 2402.02009"
    needs = ("jacobian",)
    cost = 1.5

    method: Literal["excess_mtl"]
    gradients: Literal["parameters"] = "parameters"
    learning_rate: Annotated[Positive, PER_SLOT] = 0.01

    def kept_gradients(self) -> int:
        """See `Balancing`: their squares."""
        return 1


class GradDrop(Directed):
    """Each value of the gradient keeps the sign of some tasks, drawn by how far they agree."""

    implementation = "torchjd.aggregation:GradDrop"
    paper = "Chen et al. 2020, arXiv 2010.06808"
    cost = 3.0

    method: Literal["graddrop"]


class ConFIG(Directed):
    """A direction at like angles to all gradients (conflict-free inverse gradients)."""

    implementation = "pipeline.balance.solvers:conflict_free"
    paper = "Liu et al. 2025, arXiv 2408.11104"
    cost = 1.7

    method: Literal["config"]


class TrimmedMean(Directed):
    """The mean of each value of the gradients without the extremes.

    Attributes:
        trimmed: How many values are left out at either end.
    """

    implementation = "torchjd.aggregation:TrimmedMean"
    paper = "Yin et al. 2018, Byzantine-robust distributed learning, ICML"
    least = 3
    cost = 4.1

    method: Literal["trimmed_mean"]
    trimmed: int = Field(default=1, ge=1)

    def least_tasks(self) -> int:
        """See `Balancing`."""
        return 2 * self.trimmed + 1


class OwnBalancing(FromGradients):
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
    def of_gradients(self) -> bool:  # type: ignore[override]
        """By what it needs."""
        return bool({"gramian", "cross_gramian", "jacobian"} & set(self.needs))

    def values(self) -> dict[str, Any]:
        """See `Balancing`."""
        return self.arguments

    def by_task(self) -> dict[str, dict[str, float] | tuple[float, ...]]:
        """See `Balancing`: nothing is known of its arguments."""
        return {}


Balancing.own = OwnBalancing
