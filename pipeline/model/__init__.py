"""Trunks, heads and losses: the multi-task network of a whole stack."""

from pipeline.model.build import TaskShape as TaskShape, build as build
from pipeline.model.layers import Conditioning as Conditioning, Pass as Pass
from pipeline.model.losses import BinaryCrossEntropy as BinaryCrossEntropy, CrossEntropy as CrossEntropy, Loss as Loss
from pipeline.model.network import Network as Network
from pipeline.model.task_gradients import TaskGradients as TaskGradients
from pipeline.model.task_loss import loss_of as loss_of
