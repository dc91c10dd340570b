"""Trunks, heads and losses: the multi-task network of a whole stack."""

from pipeline.model.build import TaskShape, build
from pipeline.model.layers import Conditioning, Pass
from pipeline.model.losses import BinaryCrossEntropy, CrossEntropy, Loss
from pipeline.model.network import Network
from pipeline.model.task_gradients import TaskGradients
from pipeline.model.task_loss import loss_of

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
