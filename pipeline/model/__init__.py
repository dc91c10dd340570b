"""Trunks, heads and losses: the multi-task network of a whole stack."""

from pipeline.model.build import TaskShape, build
from pipeline.model.layers import Conditioning, Pass
from pipeline.model.losses import BinaryCrossEntropy, CrossEntropy, Loss, loss_of
from pipeline.model.network import Network
from pipeline.model.task_gradients import TaskGradients

__all__ = [
    "BinaryCrossEntropy",
    "Conditioning",
    "CrossEntropy",
    "Loss",
    "Network",
    "Pass",
    "TaskGradients",
    "TaskShape",
    "build",
    "loss_of",
]
