"""What can be said of numbers: estimates with intervals, differences, contrasts, decisions, the choice of a model."""
