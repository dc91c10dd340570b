"""Experts, gates and attention in a served model.

Copied beside `served_model.py` into the models that mix or attend, it imports nothing of `pipeline`.

Legend of shapes: B rows, E experts of a mixture, H values that an expert answers, N streams of I values each.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Layers = Callable[[list[dict[str, Any]], str], nn.Sequential]
"""Makes described layers whose tensors have this prefix."""


def layer(
    about: Mapping[str, Any], tensors: Mapping[str, Tensor], source: str, layers: Callable[..., Any]
) -> nn.Module:
    """The module of a layer that is described so, on these tensors.

    Args:
        about: The description.
        tensors: By name.
        source: Whose statistics are used.
        layers: Makes other layers, of descriptions, prefix, tensors and source.

    Raises:
        ValueError: It is none of these.
    """
    match about["kind"]:
        case "mixtures":
            return Mixtures(about, lambda described, name: layers(described, name, tensors, source))
        case "attended":
            return Attended(about, lambda described, name: layers(described, name, tensors, source))
        case "softmax":
            return nn.Softmax(1)
        case "constant":
            return Constant(tensors["gates"])
        case "selection":
            return Selection(tensors["logits"], about["experts"], about["choices"], about["smoothing"])
        case kind:
            raise ValueError(f"the spec names a layer of unknown kind '{kind}'")


def on_their_parts(
    heads: Mapping[str, nn.Sequential], reads: Mapping[str, tuple[int, int]]
) -> dict[str, nn.Sequential]:
    """The heads by task, each on those of the trunk's values that it reads."""
    return {task: nn.Sequential(Columns(*reads[task]), *head.children()).eval() for task, head in heads.items()}


class Columns(nn.Module):
    """Some values of every row."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        """[B, I] -> [B, stop - start]."""
        return x[:, self.start : self.stop]


class Constant(nn.Module):
    """The same gates [E] for all rows."""

    def __init__(self, gates: Tensor) -> None:
        super().__init__()
        self.gates = nn.Parameter(gates)

    def forward(self, x: Tensor) -> Tensor:
        """[B, I] -> [B, E]."""
        return self.gates.expand(len(x), -1)


class Selection(nn.Module):
    """The same gates [E] for all rows: from the logits of the bits of the experts' numbers, and of choices' weights.

    Args:
        logits: Of each choice's bits, then of the weights.
        experts: E, a power of 2.
        choices: How many.
        smoothing: A logit beyond half of it is decided.
    """

    def __init__(self, logits: Tensor, experts: int, choices: int, smoothing: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.experts, self.choices, self.smoothing = experts, choices, smoothing

    def forward(self, x: Tensor) -> Tensor:
        """[B, I] -> [B, E]."""
        t = (self.logits[: -self.choices] / self.smoothing).clamp(-0.5, 0.5)
        steps = (0.5 + 1.5 * t - 2.0 * t**3).reshape(self.choices, self.experts.bit_length() - 1)
        gates = x.new_zeros(self.experts)
        for bits, weight in zip(steps, self.logits[-self.choices :].softmax(0), strict=True):
            shares = x.new_ones(1)
            for bit in bits:
                shares = torch.cat([shares * (1.0 - bit), shares * bit])
            gates = gates + weight * shares
        return gates.expand(len(x), -1)


class Mixtures(nn.Module):
    """Sums of what experts answer, each times its gate, side by side; experts and gates read a stream of the input."""

    def __init__(self, about: Mapping[str, Any], layers: Layers) -> None:
        super().__init__()
        self.inputs = about["inputs"]
        self.reads = [it["stream"] for it in about["experts"]]
        self.mixed = [(it["stream"], it["experts"]) for it in about["mixtures"]]
        self.experts = nn.ModuleList(layers(it["layers"], f"expert.{it['name']}") for it in about["experts"])
        self.gates = nn.ModuleList(layers(it["gate"], f"gate.{it['name']}") for it in about["mixtures"])

    def forward(self, x: Tensor) -> Tensor:
        """[B, N * I] -> [B, M * H], of M mixtures."""
        streams = x.split(self.inputs, 1)
        answers = [expert(streams[stream]) for stream, expert in zip(self.reads, self.experts, strict=True)]
        mixtures = []
        for (stream, experts), gate in zip(self.mixed, self.gates, strict=True):
            gates = gate(streams[stream]).unsqueeze(2)
            mixtures.append((gates * torch.stack([answers[it] for it in experts], 1)).sum(1))
        return torch.cat(mixtures, 1)


class Attended(nn.Module):
    """Shared layers beside what each task's mask lets through of them, see `pipeline.model.layers.attended`."""

    def __init__(self, about: Mapping[str, Any], layers: Layers) -> None:
        super().__init__()
        self.inputs, self.last = about["inputs"], about["last"]
        self.shared = layers(about["shared"], "shared")
        self.onward = layers(about["onward"], "onward")
        self.attentions = nn.ModuleList(layers(it["layers"], f"attention.{it['name']}") for it in about["attentions"])

    def forward(self, x: Tensor) -> Tensor:
        """[B, I or (1 + T) * I] of T tasks -> [B, T * H or (1 + T) * H]."""
        features, *attended = x.split(self.inputs, 1)
        shared = self.shared(features)
        seen = [torch.cat([shared, self.onward(own)], 1) for own in attended] or [shared] * len(self.attentions)
        masked = [attention(it) * shared for attention, it in zip(self.attentions, seen, strict=True)]
        return torch.cat(masked if self.last else [shared, *masked], 1)
