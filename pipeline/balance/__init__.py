"""Balancers: the methods that choose the weights w in L = sum of w_i * L_i."""

from pipeline.balance.balancer import Balancer, StepInputs
from pipeline.balance.factory import make_balancer
from pipeline.balance.from_gradients import DirectionBalancer

__all__ = ["Balancer", "DirectionBalancer", "StepInputs", "make_balancer"]
