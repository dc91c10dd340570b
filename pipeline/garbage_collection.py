"""How often Python looks for garbage that refers to itself: seldom while it imports, which makes none."""

import gc

_OF_IMPORTS = 1_000_000
_OF_WORK = 10_000
"""Objects made between two collections. At Python's own 700 they are a fifth of what imports cost."""


def rare() -> None:
    """While all that is made stays."""
    gc.set_threshold(_OF_IMPORTS)


def normal() -> None:
    """From the beginning of work on."""
    gc.set_threshold(_OF_WORK)


def freeze() -> None:
    """Before the end: or the interpreter's last collections look through all that was imported, in vain."""
    gc.freeze()
