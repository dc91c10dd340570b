"""Training: the loop, and what it needs: slots, stacks, optimizers, workers, early stopping, checkpoints."""
