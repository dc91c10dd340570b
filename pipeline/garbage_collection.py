"""Thresholds of Python's cyclic garbage collector: imports create many objects, and no garbage."""

import gc

_DURING_IMPORTS = 1_000_000
_DURING_WORK = 10_000
"""Allocations between two collections. At Python's default of 700 collections take a fifth of the time of imports."""


def rare() -> None:
    """Collect rarely, while modules are imported."""
    gc.set_threshold(_DURING_IMPORTS)


def normal() -> None:
    """Collect normally, from the start of a step on."""
    gc.set_threshold(_DURING_WORK)


def freeze() -> None:
    """Exclude all existing objects, before the interpreter exits: its last collections would traverse them in vain."""
    gc.freeze()
