"""Conformance of balancing methods of one's own.

Shapes: K slots, T tasks, P shared values.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from pipeline.balance import Balancer, StepInputs, make_balancer
from pipeline.config.balancing import Balancing
from pipeline.draws import Stream
from pipeline.testing.base import Conformance

_STEPS, _SLOTS, _SHARED = 4, 3, 7


class BalancerConformance(Conformance):
    """Tests of a balancing method of one's own: a subclass of `pipeline.balance.Balancer` that declares its `needs`.

    Attributes:
        tasks: T.
    """

    tasks: ClassVar[int] = 3

    def test_its_weights_are_finite_one_a_task(self) -> None:
        """In every step, for all slots."""
        for weights in self._course(range(_SLOTS)):
            assert weights.shape == (_SLOTS, self.tasks), f"returns {list(weights.shape)}, not [{_SLOTS}, {self.tasks}]"
            assert weights.isfinite().all(), f"returns {weights.tolist()}"

    def test_a_slot_does_not_feel_its_neighbours(self) -> None:
        """A slot's weights are the same, bit for bit, alone and in a stack."""
        together = self._course(range(_SLOTS))
        for k in range(_SLOTS):
            for step, (alone, whole) in enumerate(zip(self._course([k]), together, strict=True)):
                assert torch.equal(alone[0], whole[k]), f"slot {k} depends on others in step {step}"

    def test_it_goes_on_from_its_state(self) -> None:
        """Whatever it remembers is in rows made by `rows`, so that a checkpoint keeps it."""
        unbroken, first = self._course(range(_SLOTS)), self._made(range(_SLOTS))
        half = _STEPS // 2
        for step in range(half):
            self._step(first, range(_SLOTS), step)
        second = self._made(range(_SLOTS))
        for name, rows in first.state.items():
            second.state[name].copy_(rows)
        for step in range(half, _STEPS):
            found = self._step(second, range(_SLOTS), step)
            assert torch.equal(found, unbroken[step]), (
                f"step {step} differs after a resume: some memory is not in `state`"
            )

    def test_a_task_without_a_labelled_row_keeps_the_weights_finite(self) -> None:
        """Its loss is 0 in such a step, and so is its gradient."""
        made = self._made([0])
        for step in range(_STEPS):
            assert self._step(made, [0], step, absent=0).isfinite().all(), (
                f"step {step} has weights that are not finite"
            )

    def _made(self, slots: Sequence[int]) -> Balancer:
        settings = Balancing.of({"method": self.path, "arguments": dict(self.arguments)})
        names = [f"task{number}" for number in range(self.tasks)]
        return make_balancer([settings] * len(slots), names, shared=_SHARED)

    def _course(self, slots: Sequence[int]) -> list[Tensor]:
        made = self._made(slots)
        return [self._step(made, slots, step) for step in range(_STEPS)]

    def _step(self, made: Balancer, slots: Sequence[int], step: int, absent: int | None = None) -> Tensor:
        """The weights of a step; the losses and gradients of a slot are the same in every stack."""
        given = [self._slot(slot, step, absent) for slot in slots]
        losses, jacobian = (torch.stack(its) for its in zip(*given, strict=True))
        gramian = torch.stack([it @ it.mT.clone() for it in jacobian])
        streams = [Stream(0, f"slot/{slot}") for slot in slots]
        weights = made.weights(StepInputs(streams, 0, step, losses, gramian, jacobian)).clone()
        if "losses_after" in made.settings[0].needs:
            made.after_step(losses * 0.9)
        return weights

    def _slot(self, slot: int, step: int, absent: int | None) -> tuple[Tensor, Tensor]:
        draws = torch.Generator().manual_seed(100 * slot + step)
        losses = torch.rand(self.tasks, generator=draws) + 0.5
        jacobian = torch.randn(self.tasks, _SHARED, generator=draws)
        if absent is not None:
            losses[absent], jacobian[absent] = 0.0, 0.0
        return losses, jacobian
