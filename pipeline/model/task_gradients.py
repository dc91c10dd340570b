"""The gradients of the tasks apart on the trunk that they share: what balancers that look at gradients work with.

Legend beside that of `pipeline.stacked`: T tasks, P values of the trunk, H values that it answers for a row.

There are two ways to the Gramian, and the cheaper one is taken. Either each task's gradient is written to a row of the
Jacobian [K, T, P], whose products it consists of, and whose weighted sum is the update. Or, where tasks share rows and
the trunk is of linear layers, the gradients are never formed: with slopes G_s, G_t [B, O] of two tasks at the answer
of a layer and its input X, the inner product of their gradients is that of G_s and X X' G_t.

Tasks whose sources differ do not meet in a trunk that passes rows apart, so their gradients go back together, each in
its own rows: a round takes one task of each source.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from pipeline.model.layers import Linear, back_through
from pipeline.model.layers.composite import unspared
from pipeline.model.network import Network
from pipeline.stacked import Scratch, Stacked

_MOVED = 16  # products that a processor makes in the time in which it fetches a value from memory


class TaskGradients:
    """Of a network whose tasks share one trunk.

    Args:
        network: Bound to its values.
        of: What the Gramian is of: the trunk's `parameters`, or the `representation` that it answers.
        whole: The Jacobian is asked for.

    Attributes:
        reads_answers: Whether the Gramian is of what the trunk answers, row by row.
    """

    def __init__(
        self, network: Network, of: Literal["parameters", "representation"] = "parameters", whole: bool = False
    ) -> None:
        self._network, self._whole = network, whole
        self.reads_answers = of == "representation"
        self._branch = network.branches[0]
        self._trunk, self._heads = self._branch.trunk, self._branch.heads
        self._places = {task: place for place, task in enumerate(self._heads)}
        self._scratch = Scratch(network.on.device)
        self._slots, self._shared = len(network.values), network.shared()
        self._apart = all(layer.rowwise for layer in self._trunk)
        self._rows: dict[str, slice] = {}
        self._jacobian: Tensor | None = None
        self._views: list[list[dict[str, Stacked]]] = []  # of each task's row of the Jacobian, by layer

    def take(self, slopes: Mapping[str, Stacked]) -> None:
        """Go back through the heads, whose gradients are written, to the trunk's answer.

        Args:
            slopes: Gradients of each task's loss in its logits, [K, B, C], after a pass with gradients `apart`.
        """
        passed = self._network.passed[0]
        assert passed is not None
        x, rows = passed
        if rows != self._rows:
            self._rows = rows
            self._rounds = self._in_rounds()
            self._by_rows = not self.reads_answers and not self._whole and self._rows_are_cheaper()
        self._tops, self._jacobian = [], None
        for number, tasks in enumerate(self._rounds):
            top = self._scratch(f"top.{number}", self._slots, *x.tensor.shape[1:])
            if self._branch.reads or sum(it.stop - it.start for it in tasks.values()) < x.tensor.size(1):
                top.whole.zero_()
            for task, where in tasks.items():
                place = self._branch.read(task, top, where)
                back = back_through(self._heads[task], slopes[task], place)
                assert back is not None
                if back is not place:
                    place.tensor.copy_(back.tensor)
            self._tops.append(unspared(top))

    def gramian(self) -> Tensor:
        """The inner products of the tasks' gradients, [K, T, T]; zeros where a task has no rows."""
        if self.reads_answers:
            return self._of_answers()
        if self._by_rows:
            return self._of_rows()
        jacobian = self.jacobian()
        return self.products(jacobian, jacobian)

    def jacobian(self) -> Tensor:
        """The tasks' gradients, [K, T, P]; valid until the next call."""
        jacobian = self._scratch("jacobian", self._slots, len(self._heads), self._shared).tensor
        if not self._views:
            self._views = [self._network.shared_views(row) for row in jacobian.unbind(1)]
        for task, place in self._places.items():
            if not any(task in tasks for tasks in self._rounds):
                jacobian[:, place].zero_()
        for tasks, top in zip(self._rounds, self._tops, strict=True):
            if self._apart:
                self._write(tasks, top)
                continue
            back_through(self._trunk, top)
            (task,) = tasks
            jacobian[:, self._places[task]] = self._network.grads[:, : self._shared]
        self._jacobian = jacobian
        return jacobian

    def descend(self, weights: Tensor) -> None:
        """Write the trunk's gradient: the sum of the tasks', by weights [K, T]."""
        if self._jacobian is not None:
            self.along(self.products(weights.unsqueeze(1), self._jacobian.mT).squeeze(1))
            return
        total = self._scratch("total", *self._tops[0].tensor.shape)
        total.whole.zero_()
        for tasks, top in zip(self._rounds, self._tops, strict=True):
            for task, rows in tasks.items():
                own = weights[:, self._places[task]].view(-1, 1, 1)
                part, place = (self._branch.read(task, it, rows).tensor for it in (top, total))
                place.addcmul_(part, own)
        back_through(self._trunk, total)

    def along(self, direction: Tensor) -> None:
        """Write the trunk's gradient, [K, P]."""
        self._network.grads[:, : self._shared] = direction

    def _in_rounds(self) -> list[dict[str, slice]]:
        """Tasks whose gradients go back together, with the rows of each."""
        here = {task: source for task, source in self._network.source_of.items() if source in self._rows}
        if not self._apart:
            return [{task: self._rows[source]} for task, source in here.items()]
        rounds: list[dict[str, slice]] = []
        taken: dict[str, int] = defaultdict(int)
        for task, source in here.items():
            if taken[source] == len(rounds):
                rounds.append({})
            rounds[taken[source]][task] = self._rows[source]
            taken[source] += 1
        return rounds

    def _rows_are_cheaper(self) -> bool:
        """Whether products of rows cost less than the Jacobian and its products; about."""
        if not self._apart:
            return False
        linear = [layer for layer in self._trunk if isinstance(layer, Linear)]
        rows = max(it.stop for it in self._rows.values())
        count = len(self._heads)
        passed = sum(it.stop - it.start for tasks in self._rounds for it in tasks.values())
        formed: int = sum(it.inputs * it.outputs for it in linear) * (passed + count**2 + 2 * _MOVED * count)
        unformed: int = sum(
            rows**2 * (it.inputs + count * it.outputs) + rows * it.outputs * (count**2 + it.inputs) for it in linear
        )
        return unformed < formed

    def _write(self, tasks: Mapping[str, slice], top: Stacked) -> None:
        """Go back through a trunk that passes rows apart, and write the tasks' rows of the Jacobian."""
        back: Stacked | None = top
        for place in reversed(range(len(self._trunk))):
            assert back is not None
            parts = [(rows, self._views[self._places[task]][place]) for task, rows in tasks.items()]
            back = self._trunk[place].backward_parts(back, parts)

    def _of_rows(self) -> Tensor:
        """The Gramian from the slopes at the answers of linear layers and from these layers' inputs."""
        count = len(self._heads)
        gramian = self._network.values.new_zeros(self._slots, count, count)
        slopes: dict[int, Tensor] = {}
        for tasks, top in zip(self._rounds, self._tops, strict=True):
            back: Stacked | None = top
            for number in reversed(range(len(self._trunk))):
                assert back is not None
                layer = self._trunk[number]
                if isinstance(layer, Linear):
                    self._keep(slopes, number, tasks, back)
                    back = layer.input_gradient(back)
                else:
                    back = layer.backward(back)
        for number, found in slopes.items():
            layer = self._trunk[number]
            assert isinstance(layer, Linear)
            alike = layer.alike().expand(self._slots, -1, -1)
            for k, (own, matrix) in enumerate(zip(found.unbind(), alike.unbind(), strict=True)):
                gramian[k].addmm_(own.flatten(1), torch.matmul(matrix, own).flatten(1).mT)
        return gramian

    def _keep(self, slopes: dict[int, Tensor], number: int, tasks: Mapping[str, slice], back: Stacked) -> None:
        """Copy the tasks' slopes at a layer's answer to their place, [K, T, B, O]."""
        if number not in slopes:
            shape = (len(self._heads), *back.tensor.shape[1:])
            slopes[number] = self._scratch(f"slopes.{number}", self._slots, *shape).tensor
            if len(self._rows) > 1:
                slopes[number].zero_()
        for task, rows in tasks.items():
            slopes[number][:, self._places[task], rows] = back.tensor[:, rows]

    def _of_answers(self) -> Tensor:
        """The Gramian of the gradients in the trunk's answer: tasks that read other parts have nothing in common."""
        count = len(self._heads)
        gramian = self._network.values.new_zeros(self._slots, count, count)
        found: dict[tuple[int, int, object], list[tuple[int, Tensor]]] = defaultdict(list)
        for tasks, top in zip(self._rounds, self._tops, strict=True):
            for task, rows in tasks.items():
                slopes = self._branch.read(task, top, rows).tensor.flatten(1)
                own = task if self._branch.reads else None
                found[rows.start, rows.stop, own].append((self._places[task], slopes))
        for its in found.values():
            places = torch.tensor([place for place, _ in its], device=gramian.device)
            vectors = torch.stack([slopes for _, slopes in its], 1)
            gramian[:, places.unsqueeze(1), places] = self.products(vectors, vectors)
        return gramian

    def products(self, a: Tensor, b: Tensor) -> Tensor:
        """[K, M, N] and [K, L, N] -> [K, M, L], a call a slot where slots are not to feel one another."""
        if self._network.on.batched:
            return torch.bmm(a, b.mT)
        return torch.stack([torch.mm(one, other.mT) for one, other in zip(a.unbind(), b.unbind(), strict=True)])
