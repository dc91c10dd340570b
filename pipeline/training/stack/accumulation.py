"""A step on a batch in chunks: gradients, losses and statistics of each by itself, added as a tree over their numbers.

What the whole batch decides stays so: each label's share in its task's mean, the losses and the gradients' products
that a method reads, what is dropped. What is added depends on the number of chunks alone, whichever process had which.

Shapes: K slots, T tasks, P values that the tasks share.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pipeline.balance import StepInputs
from pipeline.data.chunks import Chunked, part
from pipeline.errors import Failure, UserError
from pipeline.model import Network, Pass
from pipeline.stacked import Targets
from pipeline.training.ranks import Ranks
from pipeline.training.stack.gradients import AllTargets, Gradients
from pipeline.training.stack.task_losses import Logits, TaskLosses
from pipeline.training.stack.tree import Tree, tree_sum
from pipeline.training.tallies import Tally, named

Tensors = dict[str, Tensor]
Tallies = dict[str, Tally]


class Accumulation:
    """Steps in chunks, those of this process among several.

    Args:
        network: Bound to its values.
        losses: Of the tasks.
        gradients: Of the same network.
        chunks: How many, a power of two.
        ranks: The processes that share them.
        tallies: Makes those of the tasks.
    """

    def __init__(
        self,
        network: Network,
        losses: TaskLosses,
        gradients: Gradients,
        chunks: int,
        ranks: Ranks,
        tallies: Callable[[], Tallies],
    ) -> None:
        self._network, self._losses, self._gradients = network, losses, gradients
        self._chunks, self._ranks, self._mine = chunks, ranks, ranks.share(chunks)
        self._tallies = {number: tallies() for number in self._mine}
        self._trees: dict[tuple[str, ...], Tree] = {}
        self._before = network.buffers.clone()
        self._shared = network.shared() if gradients.of_tasks else 0
        self._held: tuple[int, Logits] | None = None
        self._halves = 2 if "cross_gramian" in gradients.needs else 1

    def __call__(self, batch: Chunked, this: Pass) -> None:
        """Write the gradients and the statistics of a whole batch into the network."""
        gradients, seen = self._gradients, StepInputs(this.streams or (), this.epoch, this.step)
        self._before.copy_(self._network.buffers)
        if gradients.of_tasks is None:
            if gradients.reads_losses:
                seen = replace(seen, losses=self._all_losses(batch, this, hold=True))
            weights = gradients.chosen(seen)
            self._descend(batch, this, lambda logits, targets: gradients.backward(logits, targets, weights))
        elif gradients.due(this.step):
            self._measure_and_descend(batch, this, seen)
        else:
            weights = gradients.chosen(seen)
            self._descend(batch, this, lambda logits, targets: self._descend_apart(logits, targets, weights))

    def after(self, batch: Chunked, this: Pass) -> None:
        """After the update: the same once more, for methods that read its losses; statistics stay."""
        if "losses_after" not in self._gradients.needs:
            return
        self._before.copy_(self._network.buffers)
        losses = self._all_losses(batch, this)
        self._network.buffers.copy_(self._before)
        self._gradients.after_step(losses)

    def summaries(self) -> list[dict[str, float]]:
        """Each slot's training metrics since the last call, over the rows of all processes."""
        own = {number: {task: _at_home(it.sums()) for task, it in of.items()} for number, of in self._tallies.items()}
        digest = int(self._network.values.view(torch.int32).sum(dtype=torch.int64))
        gathered = self._ranks.gathered((digest, own))
        if any(other != digest for other, _ in gathered):
            raise Failure(
                "the processes that train a network together came to other weights: they must run on machines of one "
                "kind, with the same versions of everything"
            )
        every = {number: sums for _, of_rank in gathered for number, sums in of_rank.items()}
        tallies = self._tallies[self._mine.start]
        totals = [tree_sum([every[number][task] for number in range(self._chunks)]) for task in tallies]
        return named(tallies, [it.values_of(sums) for it, sums in zip(tallies.values(), totals, strict=True)])

    def _descend(self, batch: Chunked, this: Pass, backward: Callable[[Logits, AllTargets], None]) -> None:
        """Add the gradients that `backward` writes of each chunk."""

        def grads(logits: Logits, targets: AllTargets, _: int) -> Tensors:
            backward(logits, targets)
            return {"grads": self._network.grads}

        found = self._summed(batch, this, grads, {"grads": self._network.grads.shape})
        self._network.grads.copy_(found["grads"])

    def _descend_apart(self, logits: Logits, targets: AllTargets, weights: Tensor) -> None:
        assert self._gradients.of_tasks is not None
        self._gradients.of_tasks.take(self._losses.slopes(logits, targets))
        self._gradients.of_tasks.descend(weights)

    def _measure_and_descend(self, batch: Chunked, this: Pass, seen: StepInputs) -> None:
        """Add each task's gradients, and let the method choose by those of the whole batch."""
        of_tasks = self._gradients.of_tasks
        assert of_tasks is not None
        heads = self._network.grads[:, self._shared :]

        def measured(logits: Logits, targets: AllTargets, number: int) -> Tensors:
            found = {"losses": self._losses.means(logits, targets)} if self._gradients.reads_losses else {}
            of_tasks.take(self._losses.slopes(logits, targets))
            if of_tasks.reads_answers:
                found["gramian"] = of_tasks.gramian()
            half = number * self._halves // self._chunks
            return found | {f"jacobian.{half}": of_tasks.jacobian(), "heads": heads}

        slots, tasks = len(heads), len(self._losses.of)
        shapes: dict[str, Sequence[int]] = {"heads": heads.shape}
        if self._gradients.reads_losses:
            shapes["losses"] = (slots, tasks)
        if of_tasks.reads_answers:
            shapes["gramian"] = (slots, tasks, tasks)
        shapes |= {f"jacobian.{half}": (slots, tasks, self._shared) for half in range(self._halves)}
        found = self._summed(batch, this, measured, shapes)
        heads.copy_(found["heads"])
        halves = [found[f"jacobian.{half}"] for half in range(self._halves)]
        jacobian = halves[0] if len(halves) == 1 else torch.add(*halves)
        if len(halves) > 1:
            gramian = of_tasks.products(*(it / _share(batch, half) for half, it in enumerate(halves)))
        else:
            gramian = found["gramian"] if of_tasks.reads_answers else of_tasks.products(jacobian, jacobian)
        seen = replace(seen, losses=found.get("losses"), gramian=gramian, jacobian=jacobian)
        self._gradients.descend(self._gradients.chosen(seen), jacobian)

    def _all_losses(self, batch: Chunked, this: Pass, hold: bool = False) -> Tensor:
        """The tasks' mean losses over the whole batch, [K, T], by passes of their own.

        Args:
            batch: The rows.
            this: The pass.
            hold: The same pass follows once more: what the first chunk's needs there is kept.
        """
        found: dict[int, Tensors] = {}
        for number in reversed(self._mine):  # the first one last, whose backward pass may follow
            if (passed := self._forward(batch, this, number)) is not None:
                found[number] = {"losses": self._losses.means(*passed)}
                self._held = (number, passed[0]) if hold else None
        tree = self._tree({"losses": (len(self._network.values), len(self._losses.of))})
        for place, number in enumerate(self._mine):
            tree.add(place, found.get(number, {}))
        total = tree.total()
        self._ranks.add(total.flat)
        return total.of["losses"].clone()

    def _summed(
        self,
        batch: Chunked,
        this: Pass,
        run: Callable[[Logits, AllTargets, int], Tensors],
        shapes: Mapping[str, Sequence[int]],
    ) -> Tensors:
        """The sums of what `run` answers for each chunk; statistics become the mean of those after each."""
        buffers = self._network.buffers
        tree = self._tree({**shapes, "buffers": buffers.shape})
        for place, number in enumerate(self._mine):
            passed = self._forward(batch, this, number)
            found: Tensors = {}
            if passed is not None:
                for task, tally in self._tallies[number].items():
                    tally.take(passed[0][task], passed[1][task])
                found = run(*passed, number)
            tree.add(place, found | {"buffers": self._before if passed is None else buffers})
        total = tree.total()
        self._ranks.add(total.flat)
        torch.div(total.of["buffers"], self._chunks, out=buffers)
        return total.of

    def _forward(self, batch: Chunked, this: Pass, number: int) -> tuple[Logits, dict[str, Targets]] | None:
        """Logits and targets of a chunk, the statistics being those before the step; None where it has no rows."""
        cut = batch.cut(number)
        if cut is None:
            return None
        targets = batch.targets_of(cut)
        held, self._held = self._held, None
        if held and held[0] == number:
            return held[1], targets
        self._network.buffers.copy_(self._before)
        return self._network.forward(batch.inputs(cut), replace(this, cut=cut)), targets

    def _tree(self, shapes: Mapping[str, Sequence[int]]) -> Tree:
        key = tuple(shapes)
        if key not in self._trees:
            self._trees[key] = Tree(shapes, len(self._mine), self._network.on.device)
        return self._trees[key]


def check_rows(network: Network, largest: Mapping[str, int], chunks: int) -> None:
    """Check that chunks have enough rows for layers that normalise by their own statistics.

    Args:
        network: What trains.
        largest: Rows of a step by source.
        chunks: How many parts they are cut into.

    Raises:
        UserError: One row would be normalised by itself.
    """
    for branch in network.branches:
        seen = [(layer, branch.sources) for layer in branch.trunk]
        seen += [(layer, (network.source_of[task],)) for task, head in branch.heads.items() for layer in head]
        for layer, sources in seen:
            for group in (it for own in layer.parts() for it in own.normalised(sources)):
                if sum(largest[source] // chunks for source in group) < 2:
                    raise UserError(
                        f"training.chunks {chunks} leaves batch normalisation less than two rows of {', '.join(group)} "
                        "at a time: lower it, or choose a larger training.batch_size or another norm"
                    )


def _share(batch: Chunked, half: int) -> Tensor:
    """What the labels in one half of the rows weigh in the tasks' means, [S, T, 1]."""
    shares = []
    for task, targets in batch.targets.items():
        rows = batch.counts[batch.source_of[task]]
        shares.append(targets.part(part(rows, half, 2), rows).share.flatten(1).sum(1))
    return torch.stack(shares, 1).clamp_min(1e-12).unsqueeze(2)


def _at_home(sums: Tensor | None) -> Tensor | None:
    return None if sums is None else sums.cpu()
