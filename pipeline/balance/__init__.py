"""Balancers: every way to choose the weights w in L = sum of w_i * L_i."""

from pipeline.balance.base import Balancer, Seen
from pipeline.balance.from_gradients import Aggregated
from pipeline.balance.make import balancer

__all__ = ["Aggregated", "Balancer", "Seen", "balancer"]
