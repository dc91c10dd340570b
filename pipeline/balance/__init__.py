"""Balancers: every way to choose the weights w in L = sum of w_i * L_i."""

from pipeline.balance.base import Balancer
from pipeline.balance.fixed import Fixed

__all__ = ["Balancer", "Fixed"]
