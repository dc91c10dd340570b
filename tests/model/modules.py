"""Modules of a user's own, as wrapped layers meet them."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Trunk(nn.Sequential):
    """What `pipeline.model.build` makes of the same settings, by torch's own layers."""

    def __init__(
        self, inputs: int, widths: list[int], norm: str = "none", activation: str = "relu", dropout: float = 0.0
    ) -> None:
        layers: list[nn.Module] = []
        for units in widths:
            layers.append(nn.Linear(inputs, units))
            if norm != "none":
                layers.append(nn.BatchNorm1d(units) if norm == "batch" else nn.LayerNorm(units))
            layers.append({"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}[activation]())
            layers.append(nn.Dropout(dropout))
            inputs = units
        super().__init__(*layers)


class Convolutions(nn.Sequential):
    """For rows of shape (1, H, W)."""

    def __init__(self, norm: bool = False, dropout: float = 0.0, writes: bool = False) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, bias=not norm),  # before batch norm a bias has no gradient but rounding
            nn.BatchNorm2d(4) if norm else nn.Identity(),
            nn.ReLU(inplace=writes),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.LazyLinear(8),
        )


class Encoder(nn.Module):
    """A transformer encoder layer over 5 tokens of 16 values; its attention draws by itself."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x)
        return answer.mean(1)


class Recurrent(nn.Module):
    """An LSTM over 5 steps of 6 values."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        steps: Tensor = self.lstm(x)[0]
        return steps[:, -1]


class Centred(nn.Module):
    """Writes over its input, puts a new tensor in a buffer's place, and counts in another."""

    mean: Tensor
    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(7, 5)
        self.register_buffer("mean", torch.zeros(7))
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
            self.steps += 1
        answer: Tensor = self.linear(x.sub_(self.mean))
        return answer


class Tied(nn.Module):
    """One weight used twice, a frozen layer beside statistics that change, and a parameter that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(7, 7), nn.Linear(7, 7)
        self.second.weight = self.first.weight
        self.frozen, self.norm = nn.Linear(7, 3).requires_grad_(False), nn.BatchNorm1d(7, affine=False)
        self.unused = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.frozen(self.second(self.first(self.norm(x)).relu()))
        return answer


class Noisy(nn.Module):
    """Draws by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(7, 40)

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(self.linear(x), 0.5, self.training)


class Twice(nn.Module):
    """One dropout layer called twice, first on what all slots share."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(40, 40), nn.Dropout(0.25)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.dropout(self.linear(self.dropout(x)))
        return answer


class Pair(nn.LSTM):
    """Answers two tensors."""

    def __init__(self) -> None:
        super().__init__(6, 8, batch_first=True)


class Coded(nn.Linear):
    """Has a buffer that float32 cannot hold."""

    def __init__(self) -> None:
        super().__init__(7, 2)
        self.register_buffer("code", torch.tensor([2**24 + 1]))


def function() -> nn.Module:
    """Makes a module, and is no class of one."""
    raise AssertionError("nobody calls it")


class Nothing:
    """No module."""
