"""Methods that read the tasks' gradients with respect to what they share; a user's own method may."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.config.balancing import (
    Balancing,
    DirectionMethod,
    GradientBased,
    GramianBased,
    Need,
    NonNegative,
    Positive,
    Share,
)
from pipeline.config.facts import PER_SLOT
from pipeline.config.limits import ITERATIONS, PARTS
from pipeline.config.own import OwnPath
from pipeline.plugins import own_class


class GradNorm(GramianBased):
    """Trained weights that equalise the norms of the weighted gradients, with larger norms for lagging tasks.

    Attributes:
        alpha: Strength with which lagging tasks are favoured.
        learning_rate: Learning rate of the method's own parameters.
    """

    implementation = "pipeline.balance.from_gradients:GradNorm"
    paper = "Chen et al. 2018, arXiv 1711.02257"
    needs = ("losses", "gramian")
    cost = 1.3

    method: Literal["gradnorm"]
    alpha: Annotated[NonNegative, PER_SLOT] = 1.5
    learning_rate: Annotated[Positive, PER_SLOT] = 0.025


class MGDA(GramianBased):
    """The convex combination of the gradients with the least norm (MGDA)."""

    implementation = "pipeline.balance.solvers:mgda"
    paper = "Desideri 2012, Comptes Rendus Mathematique 350; Sener and Koltun 2018, arXiv 1810.04650"
    cost = 1.6

    method: Literal["mgda"]


class PCGrad(GramianBased):
    """Projects each gradient onto the normal plane of each that it conflicts with, in random order (PCGrad)."""

    implementation = "pipeline.balance.surgery:PCGrad"
    paper = "Yu et al. 2020, arXiv 2001.06782"
    cost = 1.5

    method: Literal["pcgrad"]


class GradVac(GramianBased):
    """Changes gradients so that each pair has its moving average of cosines (gradient vaccine).

    Attributes:
        beta: Weight of the new cosines in the moving averages.
    """

    implementation = "pipeline.balance.surgery:GradVac"
    paper = "Wang et al. 2021, arXiv 2010.05874"
    cost = 1.6

    method: Literal["gradvac"]
    beta: Annotated[Share, PER_SLOT] = 0.01


class CAGrad(GramianBased):
    """Maximises the worst task's descent within a ball around the mean gradient (CAGrad).

    Attributes:
        c: Radius of the ball, as a multiple of the mean gradient's norm.
    """

    implementation = "pipeline.balance.solvers:CAGrad"
    paper = "Liu et al. 2021, arXiv 2110.14048"
    cost = 1.7

    method: Literal["cagrad"]
    c: Annotated[NonNegative, PER_SLOT] = 0.4


class IMTLG(GramianBased):
    """A weighted sum with equal projections on all tasks' gradients (IMTL-G)."""

    implementation = "pipeline.balance.solvers:imtl_g"
    paper = "Liu et al. 2021, Towards impartial multi-task learning, ICLR"
    cost = 1.4

    method: Literal["imtl_g"]


class NashMTL(GramianBased):
    """The Nash bargaining solution of the tasks.

    Attributes:
        max_norm: Largest norm of the shared gradient; only without `normalise`.
        iterations: Maximum number of steps of the solver.
    """

    implementation = "pipeline.balance.solvers:NashMTL"
    paper = "Navon et al. 2022, arXiv 2202.01017"
    cost = 1.6

    method: Literal["nash_mtl"]
    max_norm: Annotated[NonNegative, PER_SLOT] = 1.0
    iterations: Annotated[int, ITERATIONS, PER_SLOT] = Field(default=50, ge=1)

    @model_validator(mode="after")
    def _scales(self) -> "NashMTL":
        if self.normalise and self.max_norm != 1.0:
            raise ValueError(
                "normalise sets the scale of the weights, so that max_norm does nothing: leave it out, or set "
                "normalise=false"
            )
        return self


class AlignedMTL(GramianBased):
    """Rotates and scales the gradients so that they neither conflict nor dominate (Aligned-MTL).

    Attributes:
        scale: The common singular value: the smallest, the median or the root mean square.
    """

    implementation = "pipeline.balance.solvers:AlignedMTL"
    paper = "Senushkin et al. 2023, arXiv 2305.19000"
    cost = 1.5

    method: Literal["aligned_mtl"]
    scale: Literal["min", "median", "rmse"] = "min"


class DualProj(GramianBased):
    """The mean gradient, projected so that it conflicts with no gradient (as in gradient episodic memory)."""

    implementation = "pipeline.balance.solvers:dualproj"
    paper = "Lopez-Paz and Ranzato 2017, arXiv 1706.08840; Quinton and Rey 2024, arXiv 2406.16232"
    cost = 1.5

    method: Literal["dualproj"]


class UPGrad(GramianBased):
    """The mean of the gradients, each projected so that it conflicts with none."""

    implementation = "pipeline.balance.solvers:upgrad"
    paper = "Quinton and Rey 2024, arXiv 2406.16232"
    cost = 1.5

    method: Literal["upgrad"]


class FairGrad(GramianBased):
    """An alpha-fair division of the descent among the tasks (FairGrad).

    Attributes:
        alpha: Fairness: 0 for the sum, 1 proportional, 2 for the harmonic mean, large for the worst task.
        iterations: Maximum number of steps of the solver.
    """

    implementation = "pipeline.balance.solvers:FairGrad"
    paper = "Ban and Ji 2024, arXiv 2402.15638"
    cost = 1.6

    method: Literal["fairgrad"]
    alpha: Annotated[NonNegative, PER_SLOT] = 1.0
    iterations: Annotated[int, ITERATIONS, PER_SLOT] = Field(default=50, ge=1)


class Krum(GramianBased):
    """The gradients that lie closest to the others (Krum).

    Attributes:
        byzantine: Number of gradients that may be corrupt.
        selected: Number of gradients that are selected.
    """

    implementation = "pipeline.balance.solvers:Krum"
    paper = "Blanchard et al. 2017, arXiv 1703.02757"
    min_tasks = 3
    trainable = False
    cost = 1.8

    method: Literal["krum"]
    byzantine: Annotated[int, PARTS] = Field(default=0, ge=0)
    selected: Annotated[int, PARTS] = Field(default=1, ge=1)

    def required_tasks(self) -> int:
        """Smallest number of tasks for these settings."""
        return max(self.byzantine + 3, self.selected)


class PCD(GramianBased):
    """Descends on the first task, constrained to a minimum descent of all others (priority-constrained).

    Attributes:
        tau: Minimum descent of every other task, as a share of its own gradient's.
        beta: Weight of the old values in the moving averages.
    """

    implementation = "pipeline.balance.pcd:PCD"
    paper = "arXiv 2606.29521 (priority-constrained descent), TMLR 2026"
    cost = 1.8

    method: Literal["pcd"]
    tau: Annotated[Share, PER_SLOT] = 0.02
    beta: Annotated[Share, PER_SLOT] = 0.999


class MoDo(GradientBased):
    """Minimises the norm of the weighted gradients, estimated from two halves of the batch (double sampling, MoDo).

    Attributes:
        learning_rate: Learning rate of the method's own parameters.
        rho: Regularisation of the weights.
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
    """As `modo`, solved anew in every step and regularised towards the mean gradient (SDMGrad).

    Attributes:
        learning_rate: Learning rate of the method's own parameters.
        momentum: Momentum of the solver.
        iterations: Steps of the solver.
        pull: Strength of the regularisation towards the mean gradient (the paper's lambda).
    """

    implementation = "pipeline.balance.double_sampling:SDMGrad"
    paper = "Xiao et al. 2023, arXiv 2305.18409"
    needs = ("cross_gramian",)
    cost = 2.6

    method: Literal["sdmgrad"]
    gradients: Literal["parameters"] = "parameters"
    learning_rate: Annotated[Positive, PER_SLOT] = 10.0
    momentum: Annotated[float, PER_SLOT] = Field(default=0.5, ge=0.0, lt=1.0)
    iterations: Annotated[int, ITERATIONS, PER_SLOT] = Field(default=20, ge=1)
    pull: Annotated[NonNegative, PER_SLOT] = 0.3


class ExcessMTL(GradientBased):
    """Larger weights for tasks with a large estimated excess risk (ExcessMTL).

    Attributes:
        learning_rate: Learning rate of the method's own parameters.
    """

    implementation = "pipeline.balance.from_gradients:ExcessMTL"
    paper = "He et al. 2024, arXiv 2402.02009"
    needs = ("jacobian",)
    cost = 1.5

    method: Literal["excess_mtl"]
    gradients: Literal["parameters"] = "parameters"
    learning_rate: Annotated[Positive, PER_SLOT] = 0.01

    def stored_per_gradient(self) -> int:
        """One: the sums of squared gradients."""
        return 1


class GradDrop(DirectionMethod):
    """Keeps one sign of each gradient value, drawn by how far the tasks agree on it (GradDrop)."""

    implementation = "torchjd.aggregation:GradDrop"
    paper = "Chen et al. 2020, arXiv 2010.06808"
    cost = 3.0

    method: Literal["graddrop"]


class ConFIG(DirectionMethod):
    """A direction at equal angles to all gradients (conflict-free inverse gradients)."""

    implementation = "pipeline.balance.solvers:conflict_free"
    paper = "Liu et al. 2025, arXiv 2408.11104"
    cost = 1.7

    method: Literal["config"]


class TrimmedMean(DirectionMethod):
    """The mean of each gradient value over tasks without the extremes.

    Attributes:
        trimmed: Number of values that are left out at either end.
    """

    implementation = "torchjd.aggregation:TrimmedMean"
    paper = "Yin et al. 2018, Byzantine-robust distributed learning, ICML"
    min_tasks = 3
    cost = 4.1

    method: Literal["trimmed_mean"]
    trimmed: Annotated[int, PARTS] = Field(default=1, ge=1)

    def required_tasks(self) -> int:
        """Smallest number of tasks for these settings."""
        return 2 * self.trimmed + 1


class DBMTL(DirectionMethod):
    """Direction of running means of the log losses' gradients, each scaled to the longest (dual balancing, DB-MTL).

    Attributes:
        beta: Weight of the running means in their update, in the first step.
        sigma: Decay of that weight: beta / t^sigma in step t.
    """

    implementation = "pipeline.balance.dual_balancing:DBMTL"
    paper = "Lin et al. 2023, arXiv 2308.12029"
    needs = ("losses", "jacobian")
    cost = 1.8

    method: Literal["db_mtl"]
    beta: Annotated[Share, PER_SLOT] = 0.9
    sigma: Annotated[NonNegative, PER_SLOT] = 0.0

    def stored_per_gradient(self) -> int:
        """See `Balancing`: the running means."""
        return 1


class OwnBalancing(GradientBased):
    """A user's own method, a subclass of `pipeline.balance.Balancer`.

    Attributes:
        method: The method's class, as `package.module:Class`.
        arguments: The method's settings by name.
    """

    method: OwnPath
    arguments: dict[str, Any] = Field(default_factory=dict)

    @property
    def needs(self) -> tuple[Need, ...]:  # type: ignore[override]
        """The inputs that the class declares; its module is imported."""
        return tuple(own_class(self.method, "needs").needs)

    @property
    def reads_gradients(self) -> bool:  # type: ignore[override]
        """Whether it needs gradients."""
        return bool({"gramian", "cross_gramian", "jacobian"} & set(self.needs))

    def values(self) -> dict[str, Any]:
        """The arguments by name."""
        return self.arguments

    def by_task(self) -> dict[str, dict[str, float] | tuple[float, ...]]:
        """None: what the arguments mean is not known."""
        return {}


Balancing.own = OwnBalancing
