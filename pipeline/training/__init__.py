"""The stack and what drives it: slots, epochs, optimizers, schedules, early stopping, checkpoints, saved weights."""
