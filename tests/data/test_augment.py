"""Images are changed while training, each by draws of its own; what cannot be is said in one line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.config.training import TrainingSettings
from pipeline.data.augment import Augment
from pipeline.data.batches import Batch
from pipeline.data.prepared import Prepared, PreparedSource
from pipeline.draws import Stream
from pipeline.errors import UserError
from pipeline.stacked import Inputs

STREAMS = [Stream(0, f"seed/{k}") for k in range(3)]


def prepared(shape: tuple[int, ...] = (6, 6), scale: float = 255.0) -> Prepared:
    return Prepared(Path(), {"left": PreparedSource(shape, scale, {})}, {})


def augment(*settings: Any, data: Prepared | None = None) -> Augment:
    return Augment(data or prepared(), TrainingSettings.model_validate({"augment": list(settings)}))


def changed(it: Augment, x: Tensor, streams: list[Stream], epoch: int = 0, step: int = 0) -> Tensor:
    return it(Batch(Inputs.of({"left": x}), {}), streams, epoch, step).inputs["left"]


def test_every_slot_image_step_and_epoch_draws_apart_and_the_same_again() -> None:
    it, x = augment({"ColorJitter": {"brightness": 0.5}}), torch.rand(1, 4, 36).mul(255).round()
    found = changed(it, x, STREAMS)
    assert found.shape == (3, 4, 36)
    assert torch.equal(found, changed(it, x, STREAMS))
    assert torch.equal(found[1:2], changed(it, x, STREAMS[1:2]))
    same = torch.ones(1, 4, 36) * 100
    each = changed(it, same, STREAMS).flatten(0, 1)
    other = [changed(it, same, STREAMS, **where).flatten(0, 1) for where in ({"epoch": 1}, {"step": 1})]
    rows = {tuple(row.tolist()) for row in torch.cat([each, *other])}
    assert len(rows) == 36


def test_values_keep_their_scale_and_the_global_generator_its_state() -> None:
    x, before = torch.rand(2, 5, 36).mul(255).round(), torch.get_rng_state()
    found = changed(augment({"RandomHorizontalFlip": {"p": 1.0}}), x, STREAMS[:2])
    torch.testing.assert_close(found, x.view(2, 5, 6, 6).flip(3).flatten(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_transforms_follow_one_another_in_order() -> None:
    x = torch.arange(36.0).view(1, 1, 36)
    crop = {"RandomCrop": {"size": 6, "padding": 6}}
    one = changed(augment(crop, "RandomVerticalFlip"), x, STREAMS[:1])
    other = changed(augment("RandomVerticalFlip", crop), x, STREAMS[:1])
    assert not torch.equal(one, other)


@pytest.mark.parametrize("slots", [1, 3])
def test_a_source_has_transforms_of_its_own_and_the_others_stay_as_they_are(slots: int) -> None:
    sources = {name: PreparedSource(shape, 1.0, {}) for name, shape in (("a", (6, 6)), ("b", (6, 6)), ("c", (7,)))}
    settings = TrainingSettings.model_validate({"augment": {"a": [{"RandomHorizontalFlip": {"p": 1.0}}]}})
    rows = {name: torch.rand(slots, 4, 7 if name == "c" else 36) for name in sources}
    found = Augment(Prepared(Path(), sources, {}), settings)(Batch(Inputs.of(rows), {}), STREAMS, 0, 0).inputs
    assert torch.equal(found["a"].unflatten(2, (6, 6)), rows["a"].unflatten(2, (6, 6)).flip(3).expand(3, -1, -1, -1))
    for name in "bc":
        assert torch.equal(found[name], rows[name].expand(3, -1, -1))


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("RandomCropp", r"torchvision.transforms.v2 has no transform 'RandomCropp' \(did you mean 'RandomCrop'\?\)$"),
        ("functional", "has no transform 'functional'"),
        ({"RandomCrop": {"sise": 6}}, "RandomCrop cannot be made with {'sise': 6}: "),
        ({"RandomCrop": {"size": 5}}, r"RandomCrop makes torch.float32 of shape \[1, 5, 5\] of the images of left"),
        ({"ToDtype": {"dtype": torch.float64}}, "ToDtype makes torch.float64 of shape"),
        ({"ColorJitter": {"hue": 0.9}}, "ColorJitter cannot be made with"),
    ],
)
def test_a_transform_that_cannot_be_is_said_in_one_line(setting: Any, line: str) -> None:
    with pytest.raises(UserError, match=line):
        augment(setting)


def test_rows_that_are_no_images_are_refused() -> None:
    with pytest.raises(UserError, match=r"rows of left have the shape \[7\]: leave it out"):
        augment("RandomHorizontalFlip", data=prepared((7,)))


def test_channels_come_first() -> None:
    it = augment({"RandomGrayscale": {"p": 1.0}}, data=prepared((3, 6, 6), 1.0))
    planes = changed(it, torch.rand(1, 2, 108), STREAMS[:1]).view(2, 3, 36)
    assert torch.equal(planes[:, 0], planes[:, 1])
    assert torch.equal(planes[:, 0], planes[:, 2])
