"""Optimizers of a stack and learning-rate schedules."""
