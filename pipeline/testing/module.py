"""Conformance of trunks and heads of one's own.

Shapes: B rows, O values that the module answers for one.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pipeline.model.layers.module import Made, make
from pipeline.testing.base import Conformance

_ROWS = 5
_RTOL, _ATOL = 1e-4, 1e-5  # other sizes of a batch may add up in another order


class _ModuleConformance(Conformance):
    """Of any module; see its subclasses."""

    def row(self) -> tuple[int, ...]:
        """Shape of one row as the module takes it."""
        raise NotImplementedError

    def made(self, seed: int = 0) -> Made:
        """The module as the pipeline makes it."""
        return make(self.path, dict(self.all_arguments()), self.row(), seed)

    def all_arguments(self) -> Mapping[str, Any]:
        """All keyword arguments of the class."""
        return self.arguments

    def test_it_answers_a_row_a_row(self) -> None:
        """float32 [B, ...] for rows [B, *shape], finite."""
        made = self.made()
        with torch.no_grad():
            answer = made.module(self._rows())
        assert answer.flatten(1).shape == (_ROWS, made.outputs), f"answers {list(answer.shape)} for {_ROWS} rows"
        assert answer.isfinite().all(), "answers values that are not finite"

    def test_one_row_does_not_influence_another_in_evaluation(self) -> None:
        """In evaluation mode the answer to a row is the same in any batch."""
        module, rows = self.made().module.eval(), self._rows()
        with torch.no_grad():
            together = module(rows.clone())
            alone = torch.cat([module(row.clone()) for row in rows.split(1)])
        torch.testing.assert_close(alone, together, rtol=_RTOL, atol=_ATOL, msg="a row depends on its batch")

    def test_every_trained_value_has_a_finite_gradient(self) -> None:
        """In training mode the backward pass reaches every parameter that requires a gradient."""
        module = self.made().module.train()
        module(self._rows()).square().sum().backward()
        grads = {name: it.grad for name, it in module.named_parameters() if it.requires_grad}
        assert grads, "has no parameters to train"
        unused = [name for name, grad in grads.items() if grad is None]
        assert not unused, f"no gradient reaches {', '.join(unused)}"
        odd = [name for name, grad in grads.items() if grad is not None and not grad.isfinite().all()]
        assert not odd, f"the gradient of {', '.join(odd)} is not finite"

    def test_the_same_seed_makes_the_same_values(self) -> None:
        """Initial values come from torch's generator alone."""
        one, other = self.made(seed=3).tensors(), self.made(seed=3).tensors()
        differing = [name for name, it in one.items() if not torch.equal(it, other[name])]
        assert not differing, f"{', '.join(differing)} differ under the same seed"

    def test_it_answers_the_same_twice_in_evaluation(self) -> None:
        """Nothing is drawn, and nothing kept, in evaluation mode."""
        module = self.made().module.eval()
        with torch.no_grad():
            assert torch.equal(module(self._rows()), module(self._rows())), "answers the same rows differently"

    def test_all_it_knows_is_in_its_parameters_and_buffers(self) -> None:
        """One with the values of another answers as that does: so models are saved, and slots told apart."""
        one, other = self.made(seed=1).module.eval(), self.made(seed=2).module.eval()
        nn.Module.load_state_dict(other, one.state_dict())
        with torch.no_grad():
            torch.testing.assert_close(other(self._rows()), one(self._rows()), msg="keeps values elsewhere")

    def _rows(self) -> Tensor:
        return torch.randn(_ROWS, *self.row(), generator=torch.Generator().manual_seed(0))


class TrunkConformance(_ModuleConformance):
    """Tests of a `model.trunk` of one's own: a torch.nn.Module that takes [B, *shape] and answers [B, ...].

    Attributes:
        shape: Of one row of the source, such as (28, 28).
    """

    shape: ClassVar[tuple[int, ...]]

    def row(self) -> tuple[int, ...]:
        """See `shape`."""
        return self.shape


class HeadConformance(_ModuleConformance):
    """Tests of a `model.head` of one's own: a torch.nn.Module that takes [B, inputs] and answers [B, outputs].

    Attributes:
        inputs: Width of a trunk that it may stand on.
        outputs: Values of a task that it may answer.
    """

    inputs: ClassVar[int] = 8
    outputs: ClassVar[int] = 3

    def row(self) -> tuple[int, ...]:
        """See `inputs`."""
        return (self.inputs,)

    def all_arguments(self) -> Mapping[str, Any]:
        """`inputs` and `outputs` beside its own."""
        return {"inputs": self.inputs, "outputs": self.outputs, **self.arguments}

    def test_it_answers_as_many_values_as_it_is_asked_for(self) -> None:
        """`outputs` of them."""
        assert self.made().outputs == self.outputs, f"answers {self.made().outputs} values, not {self.outputs}"
