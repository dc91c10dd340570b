"""Layers for a whole stack at once, each with its own forward and backward."""

from pipeline.model.layers.activation import Activation as Activation
from pipeline.model.layers.attended import Attended as Attended, Attention as Attention
from pipeline.model.layers.base import Declared as Declared, Layer as Layer, Pass as Pass
from pipeline.model.layers.composite import (
    Gated as Gated,
    back_through as back_through,
    outputs_of as outputs_of,
    through as through,
)
from pipeline.model.layers.conv import Conv2d as Conv2d
from pipeline.model.layers.dropout import Dropout as Dropout
from pipeline.model.layers.embedding import embedded as embedded
from pipeline.model.layers.gates import Constant as Constant, Selection as Selection, Softmax as Softmax
from pipeline.model.layers.image_norm import BatchNorm2d as BatchNorm2d
from pipeline.model.layers.linear import Linear as Linear
from pipeline.model.layers.mixtures import Expert as Expert, Mixture as Mixture, Mixtures as Mixtures
from pipeline.model.layers.norm import BatchNorm as BatchNorm, LayerNorm as LayerNorm
from pipeline.model.layers.pool import AveragePool2d as AveragePool2d, MaxPool2d as MaxPool2d
from pipeline.model.layers.preference import Conditioning as Conditioning, Preference as Preference
from pipeline.model.layers.repeat import Repeat as Repeat
from pipeline.model.layers.residual import Residual as Residual
from pipeline.model.layers.tokens import Pooled as Pooled, Tokens as Tokens
from pipeline.model.layers.wrapped import Wrapped as Wrapped
