from pipeline.model.layers import BatchNorm, Linear, Residual
from tests.model.trunks.shapes import trunk


def test_the_first_width_is_the_trunks_and_each_other_a_blocks() -> None:
    layers, width = trunk((37,), kind="residual", widths=[8, 16, 4])
    assert width == 8
    hidden = [
        [(it.inputs, it.outputs) for it in block.inner if isinstance(it, Linear)]
        for block in layers
        if isinstance(block, Residual)
    ]
    assert hidden == [[(8, 16), (16, 8)], [(8, 4), (4, 8)]]
    assert [type(it) for it in layers].count(BatchNorm) == 1  # beside one in each block


def test_images_pass_as_rows() -> None:
    assert trunk((6, 6), kind="residual", widths=[8])[1] == 8
