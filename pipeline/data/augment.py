"""Images changed at random while training, by torchvision's transforms.

All sources have the same transforms, or each its own or none. Each image is drawn for by itself, and each slot draws
from its own stream: what it gets is a function of seed, stream, epoch and step, whoever its neighbours are. Slots that
share their batches share them no more once they are changed.

Shapes as in `pipeline.data.batches`; an image is [C, H, W].
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.config.training import Augmentation, TrainingSettings
from pipeline.data.batches import Batch
from pipeline.data.prepared import Prepared, PreparedSource
from pipeline.draws import Stream, seeded
from pipeline.errors import UserError
from pipeline.plugins import first_line
from pipeline.stacked import Inputs

Transform = Callable[[Tensor], Tensor]


class Augment:
    """Changes the images of batches.

    Args:
        prepared: What is known of the sources.
        settings: What is said of the transforms.

    Raises:
        UserError: A source has no images, a transform is unknown or cannot be made, or it changes an image's shape.
    """

    def __init__(self, prepared: Prepared, settings: TrainingSettings) -> None:
        made = {name: transforms(settings.transforms_of(name)) for name in prepared.sources}
        self._transforms = {name: it for name, it in made.items() if it}
        self._scales = {name: it.scale for name, it in prepared.sources.items()}
        self._shapes = {name: _image(name, prepared.sources[name]) for name in self._transforms}
        for name, shape in self._shapes.items():
            self._try(name, shape)

    def __call__(self, batch: Batch, streams: Sequence[Stream], epoch: int, step: int) -> Batch:
        """The batch with every slot's own images."""
        return Batch(Inputs.of(self.changed(batch.inputs, streams, epoch, step)), batch.targets)

    def changed(self, inputs: Inputs, streams: Sequence[Stream], epoch: int, step: int) -> dict[str, Tensor]:
        """Every slot's own images, [K, B, F] by source."""
        changed = {}
        for source in inputs:
            x = inputs[source]
            slots = x.expand(len(streams), *x.shape[1:])
            if source not in self._transforms:
                changed[source] = slots
                continue
            where = ("augment", source, epoch, step)
            changed[source] = torch.stack(
                [self._slot(source, rows, it.seed_of(*where)) for rows, it in zip(slots, streams, strict=True)]
            )
        return changed

    def _slot(self, source: str, rows: Tensor, seed: int) -> Tensor:
        """A slot's rows [B, F], changed; the transforms see values as the network does, divided by the scale."""
        scale = self._scales[source]
        images = (rows / scale).unflatten(1, self._shapes[source])
        with seeded(seed, rows.device.type):
            changed = torch.stack([self._all(source, image) for image in images.unbind()])
        return changed.flatten(1) * scale

    def _all(self, source: str, image: Tensor) -> Tensor:
        for transform in self._transforms[source].values():
            image = transform(image)
        return image

    def _try(self, source: str, shape: tuple[int, ...]) -> None:
        image = torch.zeros(shape)
        with seeded(0):
            for name, transform in self._transforms[source].items():
                try:
                    image = transform(image)
                except Exception as error:
                    raise UserError(
                        f"training.augment: {name} cannot take an image of {source}: {first_line(error)}"
                    ) from error
                if not isinstance(image, Tensor) or image.shape != shape or image.dtype != torch.float32:
                    found = f"{image.dtype} of shape {list(image.shape)}" if isinstance(image, Tensor) else type(image)
                    raise UserError(
                        f"training.augment: {name} makes {found} of the images of {source}, which are {list(shape)}: "
                        "choose sizes that leave the shape as it is"
                    )


def transforms(settings: Iterable[Augmentation]) -> Mapping[str, Transform]:
    """Transforms by what they are called in messages, in their order.

    Raises:
        UserError: One is unknown or cannot be made.
    """
    from torchvision.transforms import v2

    made: dict[str, Transform] = {}
    for number, setting in enumerate(settings):
        (name, arguments), *_ = setting.items()
        kind = getattr(v2, name, None)
        if not (isinstance(kind, type) and issubclass(kind, v2.Transform)):
            raise UserError(
                f"training.augment: torchvision.transforms.v2 has no transform '{name}'{_nearest(name, v2)}"
            )
        try:
            made[name if name not in made else f"{name} ({number + 1}.)"] = kind(**arguments)
        except Exception as error:
            raise UserError(f"training.augment: {name} cannot be made with {arguments}: {first_line(error)}") from error
    return made


def _nearest(name: str, v2: Any) -> str:
    known = [it for it in dir(v2) if isinstance(getattr(v2, it), type) and issubclass(getattr(v2, it), v2.Transform)]
    guess = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean '{guess[0]}'?)" if guess else ""


def _image(name: str, source: PreparedSource) -> tuple[int, ...]:
    if len(source.shape) not in (2, 3):
        raise UserError(
            f"training.augment changes images; rows of {name} have the shape {list(source.shape)}: leave it out"
        )
    return (1, *source.shape)[-3:]
