"""The training loop: batch, forward, losses, weights, backward, update, validation, barrier."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

import torch

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.model import Pass
from pipeline.training.assess import assess_each
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.progress import note_look
from pipeline.training.slot import Slot, SlotState
from pipeline.training.stack.in_chunks import train_in_chunks
from pipeline.training.stack.stack import Stack
from pipeline.training.workers.hosts import Pool

Barrier = Callable[[list[SlotState]], list[str]]
"""Called after each validation with the states of the slots that took part, in the slots' order.

Returns the names of slots to stop.
"""

_AS_WRITTEN = nullcontext()
_SLOTS = "slots"  # all that `fit` trains


def train(stack: Stack) -> None:
    """The updates of every slot up to its next validation.

    Raises:
        Failure: The device has no memory for a step.
    """
    network, gradients, optimizer, watch = stack.network, stack.gradients, stack.optimizer, stack.watch
    graphs, streams, clock, per_epoch = stack.graphs, stack.streams, stack.clock, stack.batches.steps
    try:
        for epoch, steps in stack.length.epochs(stack.progress[0].looks, per_epoch):
            stack.begin(epoch, steps)
            if stack.chunks:
                train_in_chunks(stack, stack.chunks, epoch, steps)
                continue
            for number, drawn in enumerate(stack.drawn(epoch, steps), steps.start):
                if graphs and graphs.replay(drawn):
                    continue
                with graphs.step(drawn) if graphs else _AS_WRITTEN:
                    this = Pass({}, streams, epoch, number, clock, gradients.per_task)
                    batch = stack.batch(drawn, this)
                    if watch and watch.due(number):
                        watch(batch, this, optimizer.state, epoch * per_epoch + number)
                    logits = network.forward(batch.inputs, this)
                    for task, tally in stack.tallies.items():
                        tally.take(logits[task], batch.targets[task])
                    losses = gradients.losses(logits, batch.targets)
                    weights = gradients.weights(logits, batch.targets, losses, this)
                    gradients.backward(logits, batch.targets, weights)
                    optimizer.step(this)
                    gradients.after(batch, this)
                    if clock is not None:
                        clock.add_(1)
    except torch.OutOfMemoryError:
        raise Failure(
            f"a stack of {len(stack.slots)} does not fit on device={stack.on.device}: set slots to fewer, or "
            "training.chunks to more"
        ) from None


def advance(stack: Stack) -> list[SlotState]:
    """Train every running slot up to its next validation and validate it; slots that are done leave the stack.

    Returns:
        Their states, without arrays; empty where none runs.
    """
    if not stack.slots:
        return []
    train(stack)
    trained = stack.summaries()
    finite, validated = stack.ranks.of_first(lambda: _validated(stack))
    kept = []
    for k, state in enumerate(stack.progress):
        metrics = {f"train/{key}": value for key, value in trained[k].items()}
        metrics |= {f"validation/{key}": value for key, value in validated[k].items()}
        kept.append(note_look(state, metrics, stack.settings[k], stack.length, finite[k]))
    stack.keep(kept)
    states = list(stack.progress)
    stack.leave([state.name for state in states if state.status != "running"])
    return states


def _validated(stack: Stack) -> tuple[list[bool], list[dict[str, float]]]:
    """Which slots have finite weights, and what each makes of its validation rows."""
    nothing: list[dict[str, float]] = [{} for _ in stack.slots]
    return stack.finite(), assess_each(stack.network, stack.views, stack.validation) if stack.validation else nothing


def fit(
    pool: Pool,
    prepared: Prepared,
    slots: Sequence[Slot],
    at_barrier: Barrier,
    checkpoint: Checkpoint | None = None,
    resumed: dict[str, SlotState] | None = None,
) -> list[SlotState]:
    """Train any number of slots to their end; neither the size of stacks nor the number of processes changes a value.

    Args:
        pool: Where to train.
        prepared: The data, seen through the tasks that are trained.
        slots: What to train; they may be of several shapes.
        at_barrier: Called after each validation.
        checkpoint: Written after a validation when due.
        resumed: States to continue from.

    Returns:
        The slots' states with their arrays, in the slots' order.
    """
    states = dict(resumed or {})
    open_slots = [slot for slot in slots if slot.name not in states or states[slot.name].status == "running"]
    done = {name: state for name, state in states.items() if state.status != "running"}
    running, took_part = len(open_slots), list[SlotState]()
    order = {slot.name: place for place, slot in enumerate(slots)}
    pool.add(_SLOTS, prepared, open_slots, states)
    while validated := pool.advance():
        took_part += validated
        if len(took_part) < running:
            continue
        took_part.sort(key=lambda state: order[state.name])
        leaving = {*at_barrier(took_part)}
        pool.leave([*leaving])
        running = sum(state.status == "running" and state.name not in leaving for state in took_part)
        took_part = []
        if checkpoint and checkpoint.due():
            checkpoint.write(_states(done, pool))
        pool.go(_SLOTS)
    done |= {state.name: state for state in pool.remove(_SLOTS)}
    if checkpoint:
        checkpoint.write(done.values())
    return [done[slot.name] for slot in slots]


def _states(done: dict[str, SlotState], pool: Pool) -> Iterator[SlotState]:
    """All states, copied to this process only when they are read."""
    yield from done.values()
    yield from pool.states(_SLOTS)
