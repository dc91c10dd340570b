"""The methods that choose the task weights: what each is called, what it reads, and where it comes from."""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Need = Literal["losses", "losses_after", "gramian", "cross_gramian", "jacobian"]
"""What a method must be given beside its own settings and memory.

`losses`: of the tasks, before the step; `losses_after`: also those of the same batch after it. `gramian`: the inner
products of the tasks' gradients on what they share; `cross_gramian`: of those of two halves of the batch; `jacobian`:
these gradients themselves.
"""


@dataclass(frozen=True)
class Method:
    """One of them.

    Attributes:
        about: What it does, in one sentence.
        paper: Where it comes from.
        needs: What it is given.
        settings: Its own settings, at their defaults.
        tasks: How many tasks it takes at least.
        weighs: Whether it answers weights; else a direction on what is shared.
        trainable: Whether it trains a usual network at its default settings.
        conditions: Whether the network is given a preference among the tasks beside its rows, and answers for any.
        cost: How many times as long as with equal weights a step takes, of as few tasks as it takes but at least two,
            in a stack of 8 networks with one wide layer; about, by `python -m benchmarks.balancers`.
    """

    about: str
    paper: str
    needs: tuple[Need, ...] = ()
    settings: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    tasks: int = 1
    weighs: bool = True
    trainable: bool = True
    conditions: bool = False
    cost: float = 1.0

    @property
    def of_gradients(self) -> bool:
        """Whether it reads gradients on layers that the tasks share."""
        return bool({"gramian", "cross_gramian", "jacobian"} & set(self.needs))


def _with(**settings: Any) -> MappingProxyType[str, Any]:
    return MappingProxyType(settings)


METHODS: dict[str, Method] = {
    "fixed": Method(
        "equal weights, given ones, or weights that the tuner searches",
        "Kurin et al. 2022, arXiv 2201.04122; Xin et al. 2022, arXiv 2209.11379",
        settings=_with(weights="equal"),
    ),
    "random": Method(
        "weights drawn anew for every step: the softmax of normal draws (RLW)", "Lin et al. 2022, arXiv 2111.10603"
    ),
    "uncertainty": Method(
        "a trained noise of each task: exp(-s) / 2 for a loss L, with s descending on exp(-s) L / 2 + s / 2 (UW)",
        "Kendall et al. 2018, arXiv 1705.07115",
        ("losses",),
        _with(learning_rate=0.01),
        cost=1.06,
    ),
    "imtl_l": Method(
        "a trained scale of each loss: exp(s), with s descending on exp(s) L - s (IMTL-L)",
        "Liu et al. 2021, Towards impartial multi-task learning, ICLR",
        ("losses",),
        _with(learning_rate=0.01),
        cost=1.05,
    ),
    "dwa": Method(
        "more to losses that fell less between the last two epochs (dynamic weight average)",
        "Liu et al. 2019, arXiv 1803.10704",
        ("losses",),
        _with(temperature=2.0),
        cost=1.04,
    ),
    "gls": Method(
        "descends on the geometric mean of the losses",
        "Chennupati et al. 2019, MultiNet++, CVPR workshops",
        ("losses",),
        cost=1.07,
    ),
    "famo": Method(
        "lets all losses fall at a like rate, by how far each fell in the last step",
        "Liu et al. 2023, arXiv 2306.03792",
        ("losses", "losses_after"),
        _with(learning_rate=0.025, decay=0.001),
        cost=1.4,
    ),
    "stch": Method(
        "descends on a smooth maximum of the losses, each over its mean at the end of a warm-up (smooth Tchebycheff)",
        "Lin et al. 2024, arXiv 2402.19078",
        ("losses",),
        _with(weights="equal", mu=1.0, warmup=4, nadir="warmup"),
        cost=1.04,
    ),
    "pbi": Method(
        "descends on the distance along the preferred direction of losses, and theta times that from it",
        "Zhang and Li 2007, MOEA/D, IEEE Transactions on Evolutionary Computation 11",
        ("losses",),
        _with(weights="equal", theta=0.5),
        cost=1.08,
    ),
    "cosmos": Method(
        "one network for every preference r, drawn anew for every step: descends on r L - gamma cos(1 - r, L)",
        "Ruchte and Grabocka 2021, arXiv 2103.13392",
        ("losses",),
        _with(alpha=1.2, gamma=0.5, ray="mirrored", preference="equal"),
        conditions=True,
        cost=1.23,
    ),
    "gradnorm": Method(
        "trained weights that bring the norms of the weighted gradients to a like size, more where a task lags",
        "Chen et al. 2018, arXiv 1711.02257",
        ("losses", "gramian"),
        _with(alpha=1.5, learning_rate=0.025),
        cost=1.3,
    ),
    "mgda": Method(
        "the convex combination of the gradients of least norm (MGDA)",
        "Desideri 2012, Comptes Rendus Mathematique 350; Sener and Koltun 2018, arXiv 1810.04650",
        ("gramian",),
        cost=1.6,
    ),
    "pcgrad": Method(
        "each gradient loses what conflicts with the others, taken in random order",
        "Yu et al. 2020, arXiv 2001.06782",
        ("gramian",),
        cost=1.5,
    ),
    "gradvac": Method(
        "each pair of gradients is brought to the cosine that it has had on average",
        "Wang et al. 2021, arXiv 2010.05874",
        ("gramian",),
        _with(beta=0.01),
        cost=1.6,
    ),
    "cagrad": Method(
        "the best worst descent of any task within c of the mean gradient",
        "Liu et al. 2021, arXiv 2110.14048",
        ("gramian",),
        _with(c=0.4),
        cost=1.7,
    ),
    "imtl_g": Method(
        "equal projections of the sum on every task's gradient (IMTL-G)",
        "Liu et al. 2021, Towards impartial multi-task learning, ICLR",
        ("gramian",),
        cost=1.4,
    ),
    "nash_mtl": Method(
        "the Nash bargaining solution of the tasks",
        "Navon et al. 2022, arXiv 2202.01017",
        ("gramian",),
        _with(max_norm=1.0, iterations=50),
        cost=1.6,
    ),
    "aligned_mtl": Method(
        "gradients turned so that they neither conflict nor dominate",
        "Senushkin et al. 2023, arXiv 2305.19000",
        ("gramian",),
        _with(scale="min"),
        cost=1.5,
    ),
    "dualproj": Method(
        "the mean gradient, projected to where it conflicts with none (as in gradient episodic memory)",
        "Lopez-Paz and Ranzato 2017, arXiv 1706.08840; Quinton and Rey 2024, arXiv 2406.16232",
        ("gramian",),
        cost=1.5,
    ),
    "upgrad": Method(
        "the mean of the gradients, each projected to where it conflicts with none",
        "Quinton and Rey 2024, arXiv 2406.16232",
        ("gramian",),
        cost=1.5,
    ),
    "fairgrad": Method(
        "alpha-fair shares of the descent",
        "Ban and Ji 2024, arXiv 2402.15638",
        ("gramian",),
        _with(alpha=1.0, iterations=50),
        cost=1.6,
    ),
    "krum": Method(
        "the gradients that lie closest to the others",
        "Blanchard et al. 2017, arXiv 1703.02757",
        ("gramian",),
        _with(byzantine=0, selected=1),
        tasks=3,
        trainable=False,
        cost=1.8,
    ),
    "pcd": Method(
        "the first task's descent, as long as every other descends by a share of its own",
        "arXiv 2606.29521 (priority-constrained descent), TMLR 2026",
        ("gramian",),
        _with(tau=0.02, beta=0.999),
        cost=1.8,
    ),
    "modo": Method(
        "descends on the norm of the combination by two independent halves of the batch (double sampling)",
        "Chen et al. 2023, arXiv 2305.20057",
        ("cross_gramian",),
        _with(learning_rate=0.1, rho=0.1),
        cost=2.3,
    ),
    "sdmgrad": Method(
        "the same, held near the mean gradient",
        "Xiao et al. 2023, arXiv 2305.18409",
        ("cross_gramian",),
        _with(learning_rate=10.0, momentum=0.5, iterations=20, pull=0.3),
        cost=2.6,
    ),
    "excess_mtl": Method(
        "more to tasks whose excess risk is estimated to be large",
        "He et al. 2024, arXiv 2402.02009",
        ("jacobian",),
        _with(learning_rate=0.01),
        cost=1.5,
    ),
    "graddrop": Method(
        "each value of the gradient keeps the sign of some tasks, drawn by how far they agree",
        "Chen et al. 2020, arXiv 2010.06808",
        ("jacobian",),
        weighs=False,
        cost=3.0,
    ),
    "config": Method(
        "a direction at like angles to all gradients (conflict-free inverse gradients)",
        "Liu et al. 2025, arXiv 2408.11104",
        ("jacobian",),
        weighs=False,
        cost=1.7,
    ),
    "trimmed_mean": Method(
        "the mean of each value of the gradients without the extremes",
        "Yin et al. 2018, Byzantine-robust distributed learning, ICML",
        ("jacobian",),
        _with(trimmed=1),
        tasks=3,
        weighs=False,
        cost=4.1,
    ),
}
"""By name, from the plainest on: from the losses, then from the gradients."""
