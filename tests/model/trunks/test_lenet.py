import pytest

from pipeline.errors import UserError
from pipeline.model.layers import Conv2d, Linear
from tests.model.trunks.shapes import trunk


def test_a_lenet_for_28_x_28_has_the_shapes_of_the_paper() -> None:
    layers, width = trunk((28, 28), kind="lenet")
    convs = [it for it in layers if isinstance(it, Conv2d)]
    assert [it.answers for it in convs] == [(6, 28, 28), (16, 10, 10)]
    assert [(it.inputs, it.outputs) for it in layers if isinstance(it, Linear)] == [(400, 120), (120, 84)]
    assert (width, convs[0].first, convs[1].first) == (84, True, False)


def test_channels_of_colour_images_come_first() -> None:
    layers, _ = trunk((3, 32, 32), kind="lenet")
    assert isinstance(layers[0], Conv2d)
    assert layers[0].shape == (3, 32, 32)


@pytest.mark.parametrize("side", [8, 11])
def test_images_that_are_too_small_are_refused(side: int) -> None:
    with pytest.raises(UserError, match=f"needs images of at least 12 x 12 values; found \\[{side}, {side}\\]"):
        trunk((side, side), kind="lenet")
    assert trunk((12, 12), kind="lenet")[1] == 84


@pytest.mark.parametrize("kind", ["lenet", "resnet"])
def test_rows_that_are_no_images_are_refused(kind: str) -> None:
    with pytest.raises(
        UserError, match=rf"trunk '{kind}' takes images; rows of left have the shape \[37\]: use trunk mlp"
    ):
        trunk((37,), kind=kind)
