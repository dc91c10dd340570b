"""The steps of a stack whose batches are cut into chunks."""

from pipeline.model import Pass
from pipeline.training.stack.accumulation import Accumulation
from pipeline.training.stack.stack import Stack


def train_in_chunks(stack: Stack, chunks: Accumulation, epoch: int, steps: range) -> None:
    """Some steps of an epoch, where each batch is cut into chunks."""
    for number, drawn in enumerate(stack.drawn(epoch, steps), steps.start):
        this = Pass({}, stack.streams, epoch, number, stack.clock, stack.gradients.per_task)
        batch = stack.chunked(drawn, this)
        chunks(batch, this)
        stack.optimizer.step(this)
        chunks.after(batch, this)
        if stack.clock is not None:
            stack.clock.add_(1)
