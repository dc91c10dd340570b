"""Conformance of losses of one's own.

Shapes: B rows, C outputs, L labels at once.
"""

from typing import ClassVar

import torch
from torch import Tensor

from pipeline.kinds import kind_of
from pipeline.model.own_loss import OwnLoss, Rows, check_loss, made_up
from pipeline.plugins import part
from pipeline.stacked import Targets
from pipeline.testing.base import Conformance

_ROWS = 6
_SURE = 30.0


class LossConformance(Conformance):
    """Tests of a `loss` of one's own: an object with `rows(logits, targets)`, see `pipeline.model.own_loss.Rows`.

    Attributes:
        kind: Of the task that it is for: multiclass, binary, multilabel or regression.
        outputs: C, of a multiclass or multilabel task.
    """

    kind: ClassVar[str]
    outputs: ClassVar[int] = 3

    def test_an_experiment_takes_it(self) -> None:
        """The check that is made when an experiment begins."""
        check_loss(self.kind, self.path, self.arguments)

    def test_it_answers_a_finite_loss_for_every_target(self) -> None:
        """Also where the network is very sure."""
        logits, targets = self._made_up()
        for scale in (0.0, 1.0, _SURE):
            losses = self._loss().rows(scale * logits, targets)
            assert losses.shape == targets.shape, f"answers {list(losses.shape)} for targets {list(targets.shape)}"
            assert losses.isfinite().all(), f"is not finite for logits {scale} * {logits.tolist()}"

    def test_its_gradient_is_that_of_its_value(self) -> None:
        """Held against differences, in float64."""
        logits, targets = self._made_up()
        targets = targets.double() if targets.is_floating_point() else targets
        asked = logits.double().requires_grad_()
        assert torch.autograd.gradcheck(lambda it: self._loss().rows(it, targets), asked)

    def test_one_row_does_not_influence_another(self) -> None:
        """The loss of a row is the same in any batch."""
        logits, targets = self._made_up()
        together = self._loss().rows(logits, targets)
        alone = torch.cat([self._loss().rows(*row) for row in zip(logits.split(1), targets.split(1), strict=True)])
        torch.testing.assert_close(alone, together, msg="the loss of a row depends on other rows")

    def test_a_missing_target_has_no_gradient_and_changes_no_other(self) -> None:
        """Missing targets are 0, and count for nothing."""
        logits, targets = self._made_up()
        stored = targets.clone()
        stored[0] = torch.nan if stored.is_floating_point() else -1
        loss = OwnLoss(self.path, self.arguments)
        slopes = loss.slopes(logits.unsqueeze(0), Targets.of(stored.unsqueeze(0)), torch.ones(1)).tensor[0].clone()
        rest = Targets.complete(targets[1:].unsqueeze(0))
        without = loss.slopes(logits[1:].unsqueeze(0), rest, torch.ones(1)).tensor[0]
        assert torch.equal(slopes[0], torch.zeros_like(slopes[0])), "a missing target has a gradient"
        if kind_of(self.kind).form == "labels":  # the mean is over the labels of a row and the rows
            return
        torch.testing.assert_close(slopes[1:], without, msg="a missing target changes the gradient of another")

    def test_it_changes_nothing_that_it_is_given_and_answers_the_same_twice(self) -> None:
        """It keeps nothing from one call to the next."""
        logits, targets = self._made_up()
        before, loss = (logits.clone(), targets.clone()), self._loss()
        first, second = loss.rows(logits, targets), loss.rows(logits, targets)
        assert torch.equal(logits, before[0]), "changes the logits"
        assert torch.equal(targets, before[1]), "changes the targets"
        assert torch.equal(first, second), "answers the same rows differently"

    def _loss(self) -> Rows:
        return part(self.path, self.arguments, "rows")

    def _made_up(self) -> tuple[Tensor, Tensor]:
        return made_up(self.kind, _ROWS, self.outputs)
