"""Balancers: the methods that choose the weights w in L = sum of w_i * L_i."""

from pipeline.balance.balancer import Balancer, DirectionBalancer, StepInputs
from pipeline.balance.factory import make_balancer

__all__ = ["Balancer", "DirectionBalancer", "StepInputs", "make_balancer"]
