"""Layers whose answer is added to their input."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipeline.draws import Stream
from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.stacked import HOST, On, Stacked

_INNER, _SHORTCUT = "inner", "shortcut"


@dataclass
class Residual(Layer):
    """y = inner(x) + shortcut(x) (He et al. 2015, "Deep residual learning for image recognition", equations 1 and 2).

    Attributes:
        inner: Layers, one after the other.
        shortcut: The same; the input itself where there are none.
    """

    inner: list[Layer]
    shortcut: list[Layer] = field(default_factory=list)

    def _named(self) -> Iterator[tuple[str, Layer]]:
        for path, layers in ((_INNER, self.inner), (_SHORTCUT, self.shortcut)):
            for index, layer in enumerate(layers):
                yield f"{path}.{index}.", layer

    def parts(self) -> Iterator[Layer]:
        """See `Layer`."""
        yield self
        for _, layer in self._named():
            yield from layer.parts()

    def units(self, training: bool) -> int:
        """See `Layer`: its own sums, there and back; its layers tell theirs."""
        return (2 if training else 1) * int(getattr(self.inner[-1], "outputs", 0))

    def parameters(self) -> dict[str, Declared]:
        """Those of its layers, `inner.<number>.<name>` and `shortcut.<number>.<name>`."""
        return {prefix + name: it for prefix, layer in self._named() for name, it in layer.parameters().items()}

    def statistics(self) -> dict[str, Declared]:
        """Those of its layers, named alike."""
        return {prefix + name: it for prefix, layer in self._named() for name, it in layer.statistics().items()}

    def initial(self, stream: Stream) -> dict[str, Tensor]:
        """Those of its layers, named alike."""
        return {prefix + name: it for prefix, layer in self._named() for name, it in layer.initial(stream).items()}

    def bind(
        self, values: dict[str, Tensor], grads: dict[str, Tensor], buffers: dict[str, Tensor], on: On = HOST
    ) -> None:
        """See `Layer`."""
        super().bind(values, grads, buffers, on)
        for prefix, layer in self._named():
            layer.bind(_under(prefix, values), _under(prefix, grads), _under(prefix, buffers), on)

    def begin(self, streams: Sequence[Stream], epoch: int) -> None:
        """See `Layer`."""
        for _, layer in self._named():
            layer.begin(streams, epoch)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, I] -> [K, B, O]."""
        shared = _shared(x)
        y, short = (_through(layers, shared, this) for layers in (self.inner, self.shortcut))
        answer = self.like("y", y)
        torch.add(y.tensor, short.tensor, out=answer.tensor)
        return answer

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, O] -> [K, B, I]."""
        shared = _shared(grad)
        back, short = (_back_through(layers, shared) for layers in (self.inner, self.shortcut))
        if back is None or short is None:
            return None
        answer = self.like("back", back)
        torch.add(back.tensor, short.tensor, out=answer.tensor)
        return answer

    def describe(self) -> dict[str, object]:
        """Kind and layers."""
        paths = ((_INNER, self.inner), (_SHORTCUT, self.shortcut))
        return {"kind": "residual"} | {path: [layer.describe() for layer in layers] for path, layers in paths}


def _shared(it: Stacked) -> Stacked:
    """The same, which nobody may write over."""
    return it.part(slice(0, it.tensor.size(1)))


def _through(layers: list[Layer], x: Stacked, this: Pass) -> Stacked:
    for layer in layers:
        x = layer.forward(x, this)
    return x


def _back_through(layers: list[Layer], grad: Stacked) -> Stacked | None:
    back: Stacked | None = grad
    for layer in reversed(layers):
        back = layer.backward(back) if back is not None else None
    return back


def _under(prefix: str, views: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): view for name, view in views.items() if name.startswith(prefix)}
