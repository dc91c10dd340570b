"""Layers for a whole stack at once, each with its own forward and backward."""

from pipeline.model.layers.activation import Activation
from pipeline.model.layers.attended import Attended, Attention
from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.model.layers.composite import Gated, back_through, outputs_of, through
from pipeline.model.layers.conv import Conv2d
from pipeline.model.layers.dropout import Dropout
from pipeline.model.layers.embedding import embedded
from pipeline.model.layers.gates import Constant, Selection, Softmax
from pipeline.model.layers.image_norm import BatchNorm2d
from pipeline.model.layers.linear import Linear
from pipeline.model.layers.mixtures import Expert, Mixture, Mixtures
from pipeline.model.layers.norm import BatchNorm, LayerNorm
from pipeline.model.layers.pool import AveragePool2d, MaxPool2d
from pipeline.model.layers.preference import Conditioning, Preference
from pipeline.model.layers.repeat import Repeat
from pipeline.model.layers.residual import Residual
from pipeline.model.layers.tokens import Pooled, Tokens
from pipeline.model.layers.wrapped import Wrapped

__all__ = [
    "Activation",
    "Attended",
    "Attention",
    "AveragePool2d",
    "BatchNorm",
    "BatchNorm2d",
    "Conditioning",
    "Constant",
    "Conv2d",
    "Declared",
    "Dropout",
    "Expert",
    "Gated",
    "Layer",
    "LayerNorm",
    "Linear",
    "MaxPool2d",
    "Mixture",
    "Mixtures",
    "Pass",
    "Pooled",
    "Preference",
    "Repeat",
    "Residual",
    "Selection",
    "Softmax",
    "Tokens",
    "Wrapped",
    "back_through",
    "embedded",
    "outputs_of",
    "through",
]
