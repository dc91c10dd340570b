"""Balancers: every way to choose the weights w in L = sum of w_i * L_i."""

from pipeline.balance.base import Balancer, Directional, Seen
from pipeline.balance.make import balancer

__all__ = ["Balancer", "Directional", "Seen", "balancer"]
