"""The study: search space, samplers, pruners, and the loop that trains trials in batches."""
