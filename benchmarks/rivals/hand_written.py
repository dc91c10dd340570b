"""The training step of one network, written out: 784-128-10 on two sources, dropout, Adam. The reference for ours.

No framework, no autograd, no allocation: torch's kernels on fixed buffers. What makes it fast is what makes any such
step fast: rows stay bytes until they are in the batch (the scale 1/255 is folded into the products), one product
serves both tasks' rows, the logits lie [10, B] so that softmax runs along the vector units, dropout thresholds
random bytes and its factor is folded into the loss's gradient, and Adam is one fused call on one row.

Shapes: T tasks of one source each, B rows of each in a step, F features, W units, C classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_LEVELS = 256  # dropout is drawn in bytes: rates are rounded to so many parts


class HandWritten:
    """The network, its batches and its optimizer.

    Args:
        inputs: Rows of each task, uint8 [N, F].
        labels: int64 [N] of each task.
        width: W.
        classes: C.
        batch: B.
        dropout: Rate in [0, 1).
        rate: Learning rate.

    Attributes:
        values: All parameters in one row: weight [W, F] and bias [W], then weights [T, C, W] and biases [T, C, 1].
        grads: Their gradients.
    """

    def __init__(
        self, inputs: Sequence[Tensor], labels: Sequence[Tensor], width: int = 128, classes: int = 10, batch: int = 64,
        dropout: float = 0.5, rate: float = 1e-3,
    ) -> None:  # fmt: skip
        tasks, features = len(inputs), inputs[0].size(1)
        # As 64-bit words, because rows are gathered faster by the word.
        self._words = torch.cat([x.view(torch.int64) for x in inputs])
        self._labels = torch.cat(list(labels))
        self._starts = [sum(len(x) for x in inputs[:task]) for task in range(tasks)]
        self._count, self._batch, self._rate = min(map(len, inputs)), batch, rate
        self._one_hot = torch.eye(classes)

        shapes = ((width, features), (width,), (tasks, classes, width), (tasks, classes, 1))
        sizes = [torch.Size(shape).numel() for shape in shapes]
        self.values, self.grads, self._mean, self._square = (torch.zeros(sum(sizes)) for _ in range(4))
        self._weight, self._bias, self._heads, self._biases = _views(self.values, shapes, sizes)
        self._dweight, self._dbias, self._dheads, self._dbiases = _views(self.grads, shapes, sizes)
        self._done = torch.zeros(())
        for value, fan_in in ((self._weight, features), (self._bias, features), (self._heads, width)):
            value.uniform_(-(fan_in**-0.5), fan_in**-0.5)
        self._biases.uniform_(-(width**-0.5), width**-0.5)

        rows = tasks * batch
        self._packed = torch.empty(rows, self._words.size(1), dtype=torch.int64)
        self._bytes = self._packed.view(torch.uint8)
        self._x, self._hidden, self._mask = (torch.empty(rows, size) for size in (features, width, width))
        self._back = torch.empty(tasks, batch, width)
        self._logits, self._slopes = (torch.empty(tasks, classes, batch) for _ in range(2))
        self._bits = torch.empty(rows * width // 8, dtype=torch.int64)
        self._draws = self._bits.view(torch.uint8).view(rows, width)
        self._dropped = round(dropout * _LEVELS)
        self._kept = 1.0 - self._dropped / _LEVELS

    def epoch(self) -> int:
        """Train on as many whole batches as there are, in an order of its own; their number."""
        steps = self._count // self._batch
        orders = [torch.randperm(self._count)[: steps * self._batch].view(steps, -1) + start for start in self._starts]
        rows = torch.cat(orders, 1)
        wanted = self._one_hot[self._labels[rows]].view(steps, len(orders), self._batch, -1).transpose(2, 3)
        for chosen, one_hot in zip(rows.unbind(), wanted.contiguous().unbind(), strict=True):
            self.gradients(chosen, one_hot)
            self._update()
        return steps

    def gradients(self, rows: Tensor, one_hot: Tensor) -> None:
        """Write the gradients of the sum of the tasks' mean losses on these rows, int64 [T * B] and [T, C, B]."""
        scale = 1.0 / 255.0
        torch.index_select(self._words, 0, rows, out=self._packed)
        self._x.copy_(self._bytes)
        hidden = torch.addmm(self._bias, self._x, self._weight.t(), alpha=scale, out=self._hidden).relu_()
        if self._dropped:
            self._bits.random_(-(2**63), None)
            hidden.mul_(torch.ge(self._draws, self._dropped, out=self._mask))
        parts = hidden.view(self._back.shape)
        torch.baddbmm(self._biases, self._heads, parts.transpose(1, 2), alpha=1.0 / self._kept, out=self._logits)

        # Scaled for the weights behind the dropout; the biases come before it, so their sums are scaled back.
        slopes = torch.softmax(self._logits, 1, out=self._slopes).sub_(one_hot).mul_(1.0 / (self._batch * self._kept))
        torch.sum(slopes, 2, keepdim=True, out=self._dbiases).mul_(self._kept)
        torch.bmm(slopes, parts, out=self._dheads)
        torch.bmm(slopes.transpose(1, 2), self._heads, out=self._back)
        back = self._back.view(hidden.shape)
        # A unit that was dropped is 0 like one that was not reached: one threshold serves both.
        torch.ops.aten.threshold_backward.grad_input(back, hidden, 0, grad_input=back)
        torch.sum(back, 0, out=self._dbias)
        torch.addmm(self._dweight, back.t(), self._x, beta=0, alpha=scale, out=self._dweight)

    def _update(self) -> None:
        torch._fused_adam_(
            [self.values], [self.grads], [self._mean], [self._square], [], [self._done.add_(1)], amsgrad=False,
            lr=self._rate, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip


def _views(row: Tensor, shapes: Sequence[tuple[int, ...]], sizes: Sequence[int]) -> list[Tensor]:
    return [part.view(shape) for part, shape in zip(row.split(list(sizes)), shapes, strict=True)]
