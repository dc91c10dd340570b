"""The largest values that settings take.

They are far above what anyone trains, so that a slip of the keyboard ends when the file is read. What fits into this
machine's memory is known later, when the data's shapes are, see `pipeline.training.workers.memory`.
"""

from annotated_types import Le

REPEATS = Le(1024)
"""Networks that differ in their seed alone."""

TOGETHER = Le(4096)
"""Networks that train side by side."""

PARTS = Le(1024)
"""Layers, blocks, experts, heads, processes and other things that are made one by one."""

WIDTH = Le(65_536)
"""Values of a layer for a row."""

PIXELS = Le(16_384)
"""Height or width of an image."""

ROWS = Le(10_000_000)
"""Rows, words, categories, trials."""

STEPS = Le(1_000_000_000)
"""Updates, epochs, and what is counted in them."""

ITERATIONS = Le(100_000)
"""Of a solver within a step."""
