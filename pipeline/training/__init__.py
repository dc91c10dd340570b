"""The stack and what drives it: slots, length, optimizers, schedules, early stopping, checkpoints, saved weights."""
