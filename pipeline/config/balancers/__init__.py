"""The balancing methods, each with its settings, its inputs, its paper and its implementation.

Importing this package registers them all.
"""

from pipeline.config.balancers import from_losses, from_gradients  # isort: skip # in the order in which they are listed
from pipeline.config.balancers.from_losses import Fixed

__all__ = ["Fixed", "from_gradients", "from_losses"]
