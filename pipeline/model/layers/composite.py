"""Layers that consist of layers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from pipeline.draws import Stream
from pipeline.model.layers.base import Declared, Layer, Pass, Tensors
from pipeline.model.layers.plain import Description, sequence
from pipeline.stacked import HOST, On, Stacked


@dataclass
class Composite(Layer):
    """A layer whose values are those of its layers, `<path of the layer>.<name>`."""

    def stacks(self) -> dict[str, list[Layer]]:
        """The layers that follow one another in it, by path, in a fixed order."""
        raise NotImplementedError

    def named(self) -> Iterator[tuple[str, Layer]]:
        """Its layers by path."""
        for path, layers in self.stacks().items():
            yield from ((f"{path}.{index}", layer) for index, layer in enumerate(layers))

    def parts(self) -> Iterator[Layer]:
        """See `Layer`."""
        yield self
        for _, layer in self.named():
            yield from layer.parts()

    def parameters(self) -> dict[str, Declared]:
        """Those of its layers."""
        return {f"{path}.{name}": it for path, layer in self.named() for name, it in layer.parameters().items()}

    def statistics(self) -> dict[str, Declared]:
        """Those of its layers."""
        return {f"{path}.{name}": it for path, layer in self.named() for name, it in layer.statistics().items()}

    def initial(self, stream: Stream) -> Tensors:
        """Those of its layers."""
        return {f"{path}.{name}": it for path, layer in self.named() for name, it in layer.initial(stream).items()}

    def bind(self, values: Tensors, grads: Tensors, buffers: Tensors, on: On = HOST) -> None:
        """See `Layer`."""
        super().bind(values, grads, buffers, on)
        for path, layer in self.named():
            layer.bind(under(path, values), under(path, grads), under(path, buffers), on)

    def begin(self, streams: Sequence[Stream], epoch: int) -> None:
        """See `Layer`."""
        for _, layer in self.named():
            layer.begin(streams, epoch)

    @classmethod
    def rebuild(cls, about: Description, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
        """See `Layer`."""
        return cls.plain(about, lambda described, name: sequence(described, name, tensors, source))


@dataclass
class Gated(Composite):
    """A layer whose gates can be read, see `pipeline.analysis.gates`.

    Legend of shapes beside those of `base`: E gates of a reader.
    """

    _this: Pass = field(init=False, repr=False, compare=False)  # the last one forward

    def readers(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each reader's name, and the names of what its E gates are on."""
        raise NotImplementedError

    def shares(self) -> Iterator[tuple[str, Tensor]]:
        """Of the last pass each reader's name and its gates [K, B, E], of those readers whose rows passed."""
        raise NotImplementedError

    def _stream(self, it: Stacked, stream: int, width: int, source: str | None = None) -> Stacked:
        """One of the streams of this width that lie side by side, at all rows or at those of a source."""
        own = it.columns(slice(stream * width, (stream + 1) * width))
        return own if source is None else own.part(self._this.rows[source])


def through(layers: Sequence[Layer], x: Stacked, this: Pass) -> Stacked:
    """What layers, one after the other, make of x."""
    for layer in layers:
        x = layer.forward(x, this)
    return x


def back_through(layers: Sequence[Layer], grad: Stacked, into: Stacked | None = None) -> Stacked | None:
    """The gradient of the first layer's input, which that may write `into` a tensor; None where nobody needs it."""
    back: Stacked | None = grad
    for layer in reversed(layers):
        back = layer.backward(back, into if layer is layers[0] else None) if back is not None else None
    return back


def unspared(it: Stacked) -> Stacked:
    """The same, which nobody may write over."""
    return it.part(slice(0, it.tensor.size(1)))


def under(path: str, views: Tensors) -> Tensors:
    """Those whose name begins with this path, by the rest of it."""
    return {name.removeprefix(f"{path}."): it for name, it in views.items() if name.startswith(f"{path}.")}


def outputs_of(layers: Sequence[Layer]) -> int:
    """Values for a row that layers answer which change their number."""
    return next(int(it.outputs) for it in reversed(layers) if hasattr(it, "outputs"))
