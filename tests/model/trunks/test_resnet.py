from pipeline.model.layers import AveragePool2d, BatchNorm2d, Conv2d, Residual
from tests.model.trunks.shapes import trunk


def test_every_stage_but_the_first_halves_the_image_through_a_shortcut_of_its_own() -> None:
    layers, width = trunk((28, 28), kind="resnet", blocks=2)
    blocks = [it for it in layers if isinstance(it, Residual)]
    assert [bool(it.shortcut) for it in blocks] == [False, False, True, False, True, False]
    means = next(it for it in layers if isinstance(it, AveragePool2d))
    assert (means.shape, width) == ((64, 7, 7), 64)


def test_a_depth_of_6_n_plus_2_is_the_papers() -> None:
    layers, _ = trunk((3, 32, 32), kind="resnet", blocks=3)
    convolutions = [it for layer in layers for it in layer.parts() if isinstance(it, Conv2d)]
    assert len(convolutions) == 19 + 2  # the head is the twentieth layer; and two shortcuts


def test_sources_are_normalised_apart_where_that_is_asked_for() -> None:
    layers, _ = trunk((14, 14), kind="resnet", norm="batch_per_source")
    norms = [it for layer in layers for it in layer.parts() if isinstance(it, BatchNorm2d)]
    assert norms
    assert {it.sources for it in norms} == {("left",)}
