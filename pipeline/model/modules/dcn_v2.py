"""The cross network of trunk dcn_v2.

A copy of this file goes into every model that has such a trunk.
"""

import torch
from torch import Tensor, nn


class CrossNetwork(nn.Module):
    """Crosses of a row's values with the row itself, under hidden layers (DCN-V2, stacked).

    Wang et al. 2021 (arXiv 2008.13535), equation 1: x becomes x0 * (W x + b) + x in each cross layer, with x0 the row.

    Args:
        features: F, values of a row.
        crosses: Cross layers.
        widths: Units of each hidden layer above; the last is the output O, or F where there are none.
    """

    def __init__(self, features: int, crosses: int, widths: list[int]) -> None:
        super().__init__()
        self.crosses = nn.ModuleList(nn.Linear(features, features) for _ in range(crosses))
        layers: list[nn.Module] = []
        for inputs, outputs in zip([features, *widths], widths, strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(0.5)]  # the rate is the trunk's setting
        self.deep = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """[B, F] -> [B, O]."""
        crossed = x
        for cross in self.crosses:
            crossed = torch.addcmul(crossed, x, cross(crossed))
        deep: Tensor = self.deep(crossed)
        return deep
