import numpy as np
import torch

from pipeline.model.modules.dcn_v2 import CrossNetwork
from tests.model.trunks.shapes import trunk


def test_crosses_are_those_of_the_paper() -> None:
    torch.manual_seed(0)
    made = CrossNetwork(5, 3, []).double()
    rows = torch.randn(4, 5, dtype=torch.float64)
    first = x = rows.numpy()
    for cross in made.crosses:  # equation 1
        w, b = cross.weight.detach().numpy(), cross.bias.detach().numpy()
        x = first * (x @ w.T + b) + x
    np.testing.assert_allclose(made(rows).detach().numpy(), x, rtol=1e-12)


def test_hidden_layers_stand_above_them_and_drop_at_the_rate_of_the_slot() -> None:
    (layer,), width = trunk((6,), slots=2, kind="dcn_v2", crosses=2, widths=[7, 4], dropout=0.25)
    assert width == layer.outputs == 4
    assert layer.arguments == {"features": 6, "crosses": 2, "widths": [7, 4]}
    assert layer.rates == [0.25, 0.25]
