"""One trunk for all tasks, of which each task's attention lets through what it needs, block by block."""

from dataclasses import replace
from itertools import pairwise

from pipeline.model.layers import (
    Activation,
    Attended,
    Attention,
    AveragePool2d,
    BatchNorm,
    BatchNorm2d,
    Conv2d,
    Layer,
    Linear,
    MaxPool2d,
    outputs_of,
)
from pipeline.model.layers.images import ImageLayer, Shape
from pipeline.model.sharing.base import Sharers, stages
from pipeline.model.trunks import Made
from pipeline.model.trunks.base import groups


def mtan(it: Sharers) -> Made:
    """The multi-task attention network of Liu et al. 2019, "End-to-end multi-task learning with attention", arXiv
    1803.10704, section 3.2, equations 1 and 2.

    A block is a stage of the trunk, with activation, pooling and dropout. With its features p a task reads a * p, and
    its mask is a = sigmoid(h(g([p; f(a' * p')]))), in the first block without f; a' * p' is what it reads of the block
    before. g and h are a task's own: of images convolutions of 1 x 1, of other rows linear layers, each with batch norm
    whatever the trunk has, and relu behind g. As in the paper f is one for all tasks, with batch norm and relu, and
    heads read the last block. The authors' network for images has a `bottleneck` of 1.

    What differs: a block has one layer of weights where the paper's have several, so that g reads the features p that
    are masked, not those of the block's first layer (the paper's u). Pooling belongs to the block, in front of the
    mask. f has the window, stride and padding of the block's own convolution and the block's pooling, so that it comes
    to the block's resolution whatever that is, where the paper's windows are 3 x 3; of other rows it is linear. It is
    normalised over the rows of all tasks at once, where the authors' code takes one task after the other.
    """
    it.refuse_text("masks the values that its layers answer")
    layers, width = it.copy("shared")
    cuts = stages(layers)
    widths = [it.rows.features, *(outputs_of(stage) for stage in cuts)]
    levels: list[Layer] = []
    for number, (stage, (inputs, outputs)) in enumerate(zip(cuts, pairwise(widths), strict=True)):
        first, image = number == 0, _image(stage)
        attentions = [
            Attention(task, _mask(it, outputs, image, 1 if first else 2), source) for task, source in it.sources.items()
        ]
        onward = [] if first else _onward(stage, inputs, groups(it.trunks, it.rows))
        channels = image[0] if image else outputs
        levels.append(Attended(stage, attentions, onward, inputs, channels, last=number == len(cuts) - 1))
    return levels, width


def _image(stage: list[Layer]) -> Shape | None:
    """The shape of what a stage answers; None where it takes no images."""
    found = [part.answers for layer in stage for part in layer.parts() if isinstance(part, ImageLayer)]
    return found[-1] if found else None


def _mask(it: Sharers, width: int, image: Shape | None, streams: int) -> list[Layer]:
    """The layers g, h and sigmoid, for so many streams side by side of features of this width or shape."""
    units = image[0] if image else width
    hidden = max(1, round(it.sharing.bottleneck * units))
    g, h = _linear(streams * width, hidden), _linear(hidden, width)
    if image:
        _, *size = image
        g, h = _conv(streams * units, size, hidden), _conv(hidden, size, units)
    return [*g, Activation("relu"), *h, Activation("sigmoid")]


def _linear(inputs: int, outputs: int) -> list[Layer]:
    return [Linear(inputs, outputs), BatchNorm(outputs)]


def _conv(inputs: int, size: list[int], channels: int) -> list[Layer]:
    height, width = size
    conv = Conv2d((inputs, height, width), channels, 1, bias=False)
    return [conv, BatchNorm2d(conv.answers)]


def _onward(stage: list[Layer], inputs: int, sources: tuple[str, ...]) -> list[Layer]:
    """The layers of f, from what a task reads of the block before to the size of this block."""
    conv = next((part for part in stage[0].parts() if isinstance(part, Conv2d)), None)
    if conv is None:
        width = outputs_of(stage)
        return [Linear(inputs, width), BatchNorm(width, sources), Activation("relu")]
    own = replace(conv, bias=False)
    pools = [replace(layer) for layer in stage if isinstance(layer, MaxPool2d | AveragePool2d)]
    return [own, BatchNorm2d(own.answers, sources), Activation("relu"), *pools]
