"""Layers for a whole stack at once, each with its own forward and backward."""

from pipeline.model.layers.activation import Activation
from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.model.layers.dropout import Dropout
from pipeline.model.layers.embedding import CategoryEmbedding, NumberEmbedding, embedded
from pipeline.model.layers.linear import Linear
from pipeline.model.layers.norm import BatchNorm, LayerNorm
from pipeline.model.layers.wrapped import Wrapped

__all__ = [
    "Activation",
    "BatchNorm",
    "CategoryEmbedding",
    "Declared",
    "Dropout",
    "Layer",
    "LayerNorm",
    "Linear",
    "NumberEmbedding",
    "Pass",
    "Wrapped",
    "embedded",
]
