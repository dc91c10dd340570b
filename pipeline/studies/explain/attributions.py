"""Attributions: how much each input of a network counts for what it answers.

Integrated gradients (Sundararajan, Taly and Yan 2017, arXiv 1703.01365) and occlusion (Zeiler and Fergus 2014, arXiv
1311.2901), both as Captum computes them, and how far two sets of attributions agree. Nothing here knows tasks by name.

Legend of shapes: B rows, F values of a row, E values that are embedded of them, O outputs, I inputs that are told apart
(pixels, columns of a table, tokens of a text), L answers that are explained, S outputs that such an answer adds up.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.kinds import kind_of
from pipeline.studies.explain.inputs import Inputs

METHODS = {"gradients": "integrated gradients", "occlusion": "occlusion"}
_STEPS = 50  # of the integral
_VALUES = 1 << 22  # of rows that pass through a network at a time
_WINDOWS = 7  # that lie side by side along an image; they overlap by half


@dataclass(frozen=True)
class Explained:
    """A network to explain.

    Attributes:
        kind: Of its task.
        inputs: Of its rows.
        network: Rows to outputs, [B, F] -> [B, O]; those of a tagging task are the tags of each token in turn.
        embedded: The part of it along whose answer gradients are integrated, [B, E], or [B, t, E / T] where a text is
            cut to its longest row; None where there is none, as where a network takes codes as they are.
        widths: How many of the E values each of the F becomes.
        entities: Of a tagging task, which of its tags are those of an entity.
    """

    kind: str
    inputs: Inputs
    network: nn.Module
    embedded: nn.Module | None
    widths: tuple[int, ...]
    entities: tuple[bool, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """That can explain it."""
        return tuple(METHODS) if self.embedded is not None else ("occlusion",)


def outputs(it: Explained, rows: Tensor) -> Tensor:
    """What the network answers, [B, F] -> [B, O]."""
    with torch.no_grad():
        return torch.cat([it.network(some) for (some,) in _chunks(it, 1, rows)])


def targets(it: Explained, rows: Tensor) -> Tensor:
    """The outputs to explain, int64 [B, L, S], -1 for none.

    The predicted class, the one output, or every label's. Of a tagging task one answer: the predicted tags of all
    tokens that are predicted to be of an entity, added up, so that its price does not depend on how many there are; a
    row without an entity has none.
    """
    logits = outputs(it, rows)
    kind = kind_of(it.kind)
    if not kind.per_token and kind.activation == "softmax":
        return logits.argmax(1).view(-1, 1, 1)
    if not kind.per_token:
        return torch.arange(logits.size(1)).view(1, -1, 1).expand(len(rows), -1, -1)
    each = logits.unflatten(1, (it.inputs.count, -1))
    tags = each.argmax(2)
    named = torch.tensor(it.entities)[tags] & torch.from_numpy(it.inputs.there(rows))
    places = torch.arange(it.inputs.count) * each.size(2) + tags
    return torch.where(named, places, -1).unsqueeze(1)


def attributions(it: Explained, rows: Tensor, wanted: Tensor, method: str) -> np.ndarray:
    """What each input adds to the wanted outputs, with its sign.

    What is held against is the empty row: black pixels, a number at its mean and marked as there, an unknown category,
    a text of as many tokens of which nothing is known. Occlusion empties a window, a column or a token at a time.

    Args:
        it: The network.
        rows: As prepared, float32 [B, F].
        wanted: Which outputs, int64 [B, L, S], -1 for none.
        method: One of its methods.

    Returns:
        float32 [B, L, I]; NaN beyond the end of a text.
    """
    explain = _gradients if method == "gradients" else _occlusion
    cost = _STEPS if method == "gradients" else 1
    found = [
        torch.stack([explain(it, some, own[:, place]) for place in range(own.size(1))], 1)
        for some, own in _chunks(it, cost, rows, wanted)
    ]
    values = torch.cat(found).detach().numpy().astype(np.float32)
    return np.where(it.inputs.there(rows)[:, None], values, np.float32(np.nan))


def randomised(it: Explained, seed: int) -> Explained:
    """The same network with the values of each weight tensor shuffled: what it has learnt is gone.

    Adebayo et al. 2018 (arXiv 1810.03292) draw them anew; shuffled, any module keeps the scale of its weights. Networks
    that share a trunk still share it.
    """
    draws = torch.Generator().manual_seed(seed)
    network, embedded = copy.deepcopy((it.network, it.embedded))  # together: the one is a part of the other
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(weights.flatten()[torch.randperm(weights.numel(), generator=draws)].view_as(weights))
    return replace(it, network=network, embedded=embedded)


def strengths(found: np.ndarray) -> np.ndarray:
    """How much each input counts for a row, whatever the sign: [B, L, I] -> [B, I]."""
    return np.abs(found).mean(1)


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation along the last axis of [..., I], on average over the others.

    Only inputs that have a value in both are compared. What has no ranks is left out, since all inputs count the same
    there; NaN where that is everything.
    """
    a, b = (it.reshape(-1, it.shape[-1]) for it in (a, b))
    both = ~(np.isnan(a) | np.isnan(b))
    ranked = [_centred(it, both) for it in (a, b)]
    scale = np.sqrt((ranked[0] ** 2).sum(1) * (ranked[1] ** 2).sum(1))
    there = scale > 0
    if not there.any():
        return float("nan")
    return float(((ranked[0] * ranked[1]).sum(1)[there] / scale[there]).mean())


def _centred(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Ranks less their mean, 0 where nothing is there."""
    from scipy.stats import rankdata

    ranks = np.where(there, rankdata(np.where(there, values, np.inf), axis=1), 0.0)  # what is not there ranks last
    mean = ranks.sum(1, keepdims=True) / np.maximum(there.sum(1, keepdims=True), 1)
    return np.where(there, ranks - mean, 0.0)


def _chunks(it: Explained, cost: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Some rows at a time, where each stands for `cost` in memory."""
    step = max(1, _VALUES // (cost * max(len(it.widths), sum(it.widths))))
    for start in range(0, len(tensors[0]), step):
        yield tuple(tensor[start : start + step] for tensor in tensors)


class _Sum(nn.Module):
    """The wanted outputs of a network added up: rows [B, ...] and wanted [B, S] -> [B]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: Tensor, wanted: Tensor) -> Tensor:
        outputs = self.network(rows.flatten(1))
        return (outputs.gather(1, wanted.clamp(min=0)) * (wanted >= 0)).sum(1)


def _gradients(it: Explained, rows: Tensor, wanted: Tensor) -> Tensor:
    """[B, I], from rows [B, F] and outputs [B, S]."""
    from captum.attr import LayerIntegratedGradients

    found = LayerIntegratedGradients(_Sum(it.network), it.embedded).attribute(
        rows, baselines=it.inputs.empty(rows), additional_forward_args=(wanted,), n_steps=_STEPS
    )
    each = found.flatten(1).float()
    owner = torch.from_numpy(it.inputs.of_value).repeat_interleave(torch.tensor(it.widths))[: each.size(1)]
    return torch.zeros(len(rows), it.inputs.count).index_add_(1, owner, each)


def _occlusion(it: Explained, rows: Tensor, wanted: Tensor) -> Tensor:
    """[B, I], from rows [B, F] and outputs [B, S]."""
    from captum.attr import FeatureAblation, Occlusion

    answer, empty = _Sum(it.network), it.inputs.empty(rows)
    if it.inputs.image is None:
        longest = int(it.inputs.there(rows).any(0).sum())
        owner = torch.from_numpy(it.inputs.of_value).clamp(max=longest)  # the padding of all rows goes at once
        found = FeatureAblation(answer).attribute(
            rows, baselines=empty, additional_forward_args=(wanted,), feature_mask=owner.unsqueeze(0)
        )
        _, first = np.unique(it.inputs.of_value, return_index=True)
        return found[:, first]  # all values of an input carry what it adds
    height, width = it.inputs.image
    images = rows.unflatten(1, (-1, height, width))
    window = tuple(max(1, side // _WINDOWS) for side in (height, width))
    strides = (images.size(1), *(max(1, side // 2) for side in window))
    found = Occlusion(answer).attribute(
        images,
        (images.size(1), *window),
        strides=strides,
        baselines=empty.view_as(images),
        additional_forward_args=(wanted,),
    )  # every channel of a window at once
    return found[:, 0].flatten(1)
