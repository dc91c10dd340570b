"""From settings to the balancer of a stack."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from pipeline.balance.base import Balancer, Seen
from pipeline.balance.double_sampling import DirectionOriented, DoubleSampled
from pipeline.balance.fixed import Fixed, Random
from pipeline.balance.from_gradients import Aggregated, Aggregation, ExcessRisk, GradNorm, Kept, SlotBySlot, Weighting
from pipeline.balance.from_losses import (
    Boundary,
    Cosmos,
    DynamicAverage,
    Famo,
    GeometricMean,
    LearntScale,
    SmoothMaximum,
    Uncertainty,
)
from pipeline.balance.solvers import (
    Aligned,
    ConflictAverse,
    Fair,
    Krum,
    conflict_free,
    dual_projection,
    impartial,
    least_norm,
    unconflicting,
)
from pipeline.balance.surgery import Surgery, Vaccine
from pipeline.config.balancing import BalancingSettings

_TINY = 1e-12

_OWN: dict[str, type[Balancer]] = {
    "random": Random,
    "uncertainty": Uncertainty,
    "imtl_l": LearntScale,
    "dwa": DynamicAverage,
    "gls": GeometricMean,
    "famo": Famo,
    "stch": SmoothMaximum,
    "pbi": Boundary,
    "cosmos": Cosmos,
    "gradnorm": GradNorm,
}

_KEPT = {
    "gradvac": (Kept("targets", 2),),
    "pcd": (Kept("_sq_norm_ema", 1, made_by_call=True), Kept("_n_steps", 0, made_by_call=True)),
    "modo": (Kept("shares", 1, of=1.0, per_task=True),),
    "sdmgrad": (Kept("shares", 1, of=1.0, per_task=True),),
}

_DRAWING = ("pcgrad", "gradvac")


def balancer(
    settings: Sequence[BalancingSettings], tasks: Sequence[str], device: str = "cpu", shared: int = 0
) -> Balancer:
    """The balancer of a stack; of a single task there is nothing to balance.

    Args:
        settings: One a slot; all name the same method.
        tasks: Names of the T tasks.
        device: Where the weights lie.
        shared: P, the values that the tasks share.
    """
    first = settings[0]
    if len(tasks) == 1 or first.method == "fixed":
        return Fixed(settings if len(tasks) > 1 else [BalancingSettings()] * len(settings), tasks, device)
    if not first.about.weighs:
        return Aggregated(settings, tasks, device, make=partial(_aggregation, first.method))
    return Steadied(_method(first.method, settings, tasks, device, shared))


def _method(
    name: str, settings: Sequence[BalancingSettings], tasks: Sequence[str], device: str, shared: int
) -> Balancer:
    if name in _OWN:
        return _OWN[name](settings, tasks, device)
    if name == "excess_mtl":
        return ExcessRisk(settings, tasks, device, shared=shared)
    return SlotBySlot(
        settings, tasks, device, make=partial(_weighting, name), kept=_KEPT.get(name, ()), draws=name in _DRAWING
    )


class Steadied(Balancer):
    """A method's weights, smoothed and scaled as its settings say, and kept from one choice to the next.

    Args:
        method: It.
    """

    def __init__(self, method: Balancer) -> None:
        super().__init__(method.settings, method.tasks, method.device)
        self._method = method
        self.state = {f"method.{name}": rows for name, rows in method.state.items()}
        self._smoothing = torch.tensor([[it.smoothing] for it in self.settings], device=self.device)
        self._smooth = any(it.smoothing for it in self.settings)
        self._last, self._begun = self.rows("last", len(self.tasks)), self.rows("begun", 1)

    def due(self, step: int) -> bool:
        """See `Balancer`: every so many steps."""
        return step % self.settings[0].every == 0

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        if not self.due(seen.step):
            return self._scaled(self._last)
        weights = self._method.weights(seen)
        self.fallbacks = self._method.fallbacks
        if self._smooth:
            share = self._smoothing * self._begun
            weights = share * self._last + (1 - share) * weights
            self._begun.fill_(1.0)
        if self._smooth or self.settings[0].every > 1:
            self._last.copy_(weights)
        return self._scaled(weights)

    def after(self, losses: Tensor) -> None:
        """See `Balancer`."""
        self._method.after(losses)

    def _scaled(self, weights: Tensor) -> Tensor:
        """Weights whose absolute values sum to T, where that is wanted and there are any."""
        if self.settings[0].normalise is False:
            return weights.clone()
        total = torch.linalg.vector_norm(weights, 1.0, 1, keepdim=True)
        return weights.mul(len(self.tasks)).div_(total.clamp_min_(_TINY))


def _weighting(name: str, settings: BalancingSettings) -> Weighting:
    """The weighting of one slot."""
    from torchjd import aggregation as jd

    it = settings.value
    makers: dict[str, Callable[[], Weighting]] = {
        "mgda": lambda: least_norm,
        "pcgrad": Surgery,
        "gradvac": lambda: Vaccine(it("beta")),
        "cagrad": lambda: ConflictAverse(it("c")),
        "imtl_g": lambda: impartial,
        "nash_mtl": lambda: Fair(1.0, it("iterations"), it("max_norm")),
        "aligned_mtl": lambda: Aligned(it("scale")),
        "dualproj": lambda: dual_projection,
        "upgrad": lambda: unconflicting,
        "fairgrad": lambda: Fair(it("alpha"), it("iterations")),
        "krum": lambda: Krum(it("byzantine"), it("selected")),
        "pcd": lambda: jd.PCDWeighting(it("tau"), it("beta")),
        "modo": lambda: DoubleSampled(it("learning_rate"), it("rho")),
        "sdmgrad": lambda: DirectionOriented(it("learning_rate"), it("momentum"), it("iterations"), it("pull")),
    }
    return makers[name]()


def _aggregation(name: str, settings: BalancingSettings) -> Aggregation:
    """What one slot descends along."""
    from torchjd import aggregation as jd

    if name == "trimmed_mean":
        return jd.TrimmedMean(settings.value("trimmed"))
    return jd.GradDrop() if name == "graddrop" else conflict_free
