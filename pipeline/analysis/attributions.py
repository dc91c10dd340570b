"""Attributions: how much each input of a network counts for what it answers.

Integrated gradients (Sundararajan, Taly and Yan 2017, arXiv 1703.01365) and occlusion (Zeiler and Fergus 2014, arXiv
1311.2901), both as Captum computes them, and how far two sets of attributions agree. Nothing here knows tasks by name.

Legend of shapes: B rows, F values of a row, E values that its embeddings make of them, C outputs, I inputs that are
told apart (pixels, or columns of a table), L outputs that are explained.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

METHODS = {"gradients": "integrated gradients", "occlusion": "occlusion"}
_STEPS = 50  # of the integral
_VALUES = 1 << 22  # of rows that pass through a network at a time
_WINDOWS = 7  # that lie side by side along an image; they overlap by half


@dataclass(frozen=True)
class Inputs:
    """What attributions are told of.

    Attributes:
        names: Of the columns, [I]; of pixels none.
        image: Height and width of an image, whose I pixels they are; None of a table.
        of_value: Which input each value of a row belongs to, int [F]: the channels of a pixel, a column's number and
            its mark of a missing one.
    """

    names: tuple[str, ...]
    image: tuple[int, int] | None
    of_value: np.ndarray

    @property
    def count(self) -> int:
        """I."""
        return int(self.of_value.max()) + 1

    def like(self, other: "Inputs") -> bool:
        """Whether these are the same pixels or columns."""
        return (self.names, self.image) == (other.names, other.image)


@dataclass(frozen=True)
class Explained:
    """A network to explain.

    Attributes:
        kind: Of its task.
        inputs: Of its rows.
        embed: Rows to what is embedded of them, [B, F] -> [B, E]; along these values gradients are integrated.
        answer: From there to the outputs, [B, E] -> [B, C].
        widths: How many of the E values each of the F becomes.
        methods: That can explain it: a code that is not embedded has no gradient.
    """

    kind: str
    inputs: Inputs
    embed: nn.Module
    answer: nn.Module
    widths: tuple[int, ...]
    methods: tuple[str, ...] = tuple(METHODS)


def inputs_of(shape: tuple[int, ...], encoding: Mapping[str, Any] | None) -> Inputs:
    """The inputs of a source's rows.

    Args:
        shape: Of a row: [H, W], [C, H, W], or flat.
        encoding: What made the rows, None where they are as the source has them.

    Raises:
        ValueError: They are of an encoding that is not known here.
    """
    if encoding is None:
        if len(shape) == 1:
            return Inputs(tuple(f"value_{place}" for place in range(shape[0])), None, np.arange(shape[0]))
        height, width = shape[-2:]
        pixels = np.arange(height * width)
        return Inputs((), (height, width), np.tile(pixels, int(np.prod(shape)) // len(pixels)))
    if encoding["kind"] != "table":
        raise ValueError(f"rows of kind '{encoding['kind']}'")
    columns = encoding["columns"]
    numeric = [place for place, it in enumerate(columns) if it["kind"] == "numeric"]
    marks = [place for place in numeric if columns[place]["marked"]]
    codes = [place for place in range(len(columns)) if place not in numeric]
    return Inputs(tuple(it["name"] for it in columns), None, np.array([*numeric, *marks, *codes]))


def targets(it: Explained, rows: Tensor) -> Tensor:
    """The outputs to explain, int64 [B, L]: the predicted class, the one output, or every label's."""
    with torch.no_grad():
        parts = [it.answer(it.embed(some)) for (some,) in _chunks(1, rows)]
    logits = torch.cat(parts)
    if it.kind == "multiclass":
        return logits.argmax(1, keepdim=True)
    return torch.arange(logits.size(1)).expand(len(rows), -1)


def attributions(it: Explained, rows: Tensor, wanted: Tensor, method: str) -> np.ndarray:
    """What each input adds to the wanted outputs, with its sign.

    What is held against is the empty row: black pixels, a number at its mean and marked as there, an unknown category.

    Args:
        it: The network.
        rows: As prepared, float32 [B, F].
        wanted: Which outputs, int64 [B, L].
        method: One of METHODS.

    Returns:
        float32 [B, L, I].
    """
    explain = _gradients if method == "gradients" else _occlusion
    cost = _STEPS if method == "gradients" else 1
    found = [
        torch.stack([explain(it, some, own[:, place]) for place in range(own.size(1))], 1)
        for some, own in _chunks(cost, rows, wanted)
    ]
    values: np.ndarray = torch.cat(found).detach().numpy().astype(np.float32)
    return values


def randomised(it: Explained, seed: int) -> Explained:
    """The same network with the values of each weight tensor shuffled: what it has learnt is gone.

    Adebayo et al. 2018 (arXiv 1810.03292) draw them anew; shuffled, any module keeps the scale of its weights. Networks
    that share a trunk still share it.
    """
    draws = torch.Generator().manual_seed(seed)
    both = copy.deepcopy(nn.ModuleList([it.embed, it.answer]))
    with torch.no_grad():
        for weights in both.parameters():
            weights.copy_(weights.flatten()[torch.randperm(weights.numel(), generator=draws)].view_as(weights))
    return replace(it, embed=both[0], answer=both[1])


def strengths(found: np.ndarray) -> np.ndarray:
    """How much each input counts for a row, whatever the sign: [B, L, I] -> [B, I]."""
    mean: np.ndarray = np.abs(found).mean(1)
    return mean


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation along the last axis of [..., I], on average over the others.

    What has no ranks is left out, since all inputs count the same there; NaN where that is everything.
    """
    ranked = [_centred(it.reshape(-1, it.shape[-1])) for it in (a, b)]
    scale = np.sqrt((ranked[0] ** 2).sum(1) * (ranked[1] ** 2).sum(1))
    there = scale > 0
    if not there.any():
        return float("nan")
    return float(((ranked[0] * ranked[1]).sum(1)[there] / scale[there]).mean())


def _centred(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=1)
    centred: np.ndarray = ranks - ranks.mean(1, keepdims=True)
    return centred


def _chunks(cost: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Some rows at a time, where each stands for `cost` in memory."""
    step = max(1, _VALUES // (cost * tensors[0].size(1)))
    for start in range(0, len(tensors[0]), step):
        yield tuple(it[start : start + step] for it in tensors)


def _gradients(it: Explained, rows: Tensor, wanted: Tensor) -> Tensor:
    """[B, I], from rows [B, F] and outputs [B]."""
    from captum.attr import IntegratedGradients

    there, empty = it.embed(rows), it.embed(torch.zeros_like(rows[:1]))
    found = IntegratedGradients(it.answer).attribute(there, baselines=empty, target=wanted, n_steps=_STEPS)
    owner = torch.from_numpy(it.inputs.of_value).repeat_interleave(torch.tensor(it.widths))
    return torch.zeros(len(rows), it.inputs.count).index_add_(1, owner, found.float())


def _occlusion(it: Explained, rows: Tensor, wanted: Tensor) -> Tensor:
    """[B, I], from rows [B, F] and outputs [B]."""
    from captum.attr import FeatureAblation, Occlusion

    answer = nn.Sequential(it.embed, it.answer)
    if it.inputs.image is None:
        owner = torch.from_numpy(it.inputs.of_value)
        found = FeatureAblation(answer).attribute(rows, target=wanted, feature_mask=owner.unsqueeze(0))
        first = [int((owner == place).nonzero()[0, 0]) for place in range(it.inputs.count)]
        columns: Tensor = found[:, first]  # all values of a column carry what the column adds
        return columns
    height, width = it.inputs.image
    images = rows.unflatten(1, (-1, height, width))
    window = tuple(max(1, side // _WINDOWS) for side in (height, width))
    strides = (images.size(1), *(max(1, side // 2) for side in window))
    shaped = nn.Sequential(nn.Flatten(), answer)
    found = Occlusion(shaped).attribute(
        images, (images.size(1), *window), strides=strides, target=wanted, baselines=0
    )  # every channel of a window at once
    pixels: Tensor = found[:, 0].flatten(1)
    return pixels
