"""Conformance tests for parts of one's own: a user's test class inherits one and says how its part is made.

For example::

    class TestMyLoss(LossConformance):
        path = "mine:MyLoss"
        kind = "binary"

pytest finds the class by its name and runs the tests that it inherits. They ask no more than what the pipeline relies
on; `docs/your_own_parts.md` has an example of each.
"""

from pipeline.testing.balancer import BalancerConformance
from pipeline.testing.loss import LossConformance
from pipeline.testing.metric import MetricConformance
from pipeline.testing.module import HeadConformance, TrunkConformance
from pipeline.testing.source import SourceConformance

__all__ = [
    "BalancerConformance",
    "HeadConformance",
    "LossConformance",
    "MetricConformance",
    "SourceConformance",
    "TrunkConformance",
]
