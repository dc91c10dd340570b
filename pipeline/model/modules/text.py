"""Networks that read text, for trunks of kind lstm, gru and transformer.

A copy of this file goes into every model that reads text.

Legend of shapes: B rows, T tokens of a row at most, t of the longest row at hand, C numbers of a token, E values that
stand for a token, H values that the network answers for a token.

They take rows [B, T, C] as `pipeline.data.encodings.words` makes them, and answer [B, (T + 1) * H]: a vector for every
token, zeros beyond the end of a row, and last one for the row, the largest value of each unit over its tokens.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_STEP = 8  # rows are cut to the longest one, in steps of so many tokens: few sizes make few buffers


class Embedded(nn.Module):
    """A token's vector is the sum of those of its numbers (Bojanowski et al. 2017, arXiv 1607.04606, section 3.2).

    Args:
        ids: How many numbers there are; 0 is padding.
        embedding: E.
    """

    def __init__(self, ids: int, embedding: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(ids, embedding, mode="sum", padding_idx=0)
        nn.init.normal_(self.bag.weight, std=0.1)
        with torch.no_grad():
            self.bag.weight[0].zero_()

    def forward(self, ids: Tensor) -> Tensor:
        """[B, t, C] -> [B, t, E]."""
        if torch.compiler.is_exporting():  # ONNX would have a loop over all tokens
            return (functional.embedding(ids, self.bag.weight) * (ids != 0).unsqueeze(3)).sum(2)
        return self.bag(ids.flatten(0, 1)).unflatten(0, ids.shape[:2])


class Recurrent(nn.Module):
    """Layers of LSTM (Hochreiter and Schmidhuber 1997) or GRU (Cho et al. 2014), in both directions (Graves 2005).

    Args:
        kind: `lstm` or `gru`.
        ids: How many numbers there are.
        embedding: E.
        widths: Units of each layer, in each direction.
    """

    def __init__(self, kind: str, ids: int, embedding: int, widths: list[int]) -> None:
        super().__init__()
        self.embedded = Embedded(ids, embedding)
        self.drop = nn.Dropout(0.5)  # the rate comes from the trunk's settings
        cell = nn.LSTM if kind == "lstm" else nn.GRU
        inputs = [embedding, *(2 * width for width in widths[:-1])]
        self.ahead = nn.ModuleList(cell(i, width, batch_first=True) for i, width in zip(inputs, widths, strict=True))
        self.back = nn.ModuleList(cell(i, width, batch_first=True) for i, width in zip(inputs, widths, strict=True))

    def forward(self, rows: Tensor) -> Tensor:
        """[B, T, C] -> [B, (T + 1) * H], with H twice the last width."""
        ids, there = shortened(rows)
        turned = _turned(there)
        x = self.drop(self.embedded(ids))
        for ahead, back in zip(self.ahead, self.back, strict=True):
            # Backwards each row begins at its own end: packed sequences do the same, and take twice as long.
            behind = _taken(back(_taken(x, turned))[0], turned)
            x = self.drop(torch.cat([ahead(x)[0], behind], 2))
        return answered(x, there, rows.size(1))


class Transformer(nn.Module):
    """Blocks of self-attention (Vaswani et al. 2017, arXiv 1706.03762) that normalise first (Xiong et al. 2020).

    Positions are the paper's sines and cosines.

    Args:
        ids: How many numbers there are.
        embedding: E, which is H.
        heads: Of each block.
        widths: Hidden units of each block.
    """

    def __init__(self, ids: int, embedding: int, heads: int, widths: list[int]) -> None:
        super().__init__()
        self.embedded = Embedded(ids, embedding)
        self.drop = nn.Dropout(0.5)  # the rate comes from the trunk's settings
        self.blocks = nn.ModuleList(Block(embedding, heads, width) for width in widths)
        self.norm = nn.LayerNorm(embedding)

    def forward(self, rows: Tensor) -> Tensor:
        """[B, T, C] -> [B, (T + 1) * H]."""
        ids, there = shortened(rows)
        x = self.embedded(ids)
        x = self.drop(x + _positions(x.size(1), x.size(2), x.device))
        attended = there.clone()
        attended[:, 0] = True  # an empty row attends to its padding, so that nothing is divided by zero
        for block in self.blocks:
            x = block(x, attended)
        return answered(self.norm(x), there, rows.size(1))


class Block(nn.Module):
    """Self-attention, then a hidden layer; each adds to what it got.

    Args:
        embedding: E.
        heads: Of the attention.
        width: Hidden units.
    """

    def __init__(self, embedding: int, heads: int, width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(embedding) for _ in range(2))
        self.asked, self.mixed = nn.Linear(embedding, 3 * embedding), nn.Linear(embedding, embedding)
        self.hidden, self.shown = nn.Linear(embedding, width), nn.Linear(width, embedding)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """[B, t, E] -> [B, t, E]; tokens are attended to where they are there [B, t]."""
        asked = self.asked(self.norms[0](x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(asked[0], asked[1], asked[2], there[:, None, None])
        x = x + self.drop(self.mixed(found.transpose(1, 2).flatten(2)))
        return x + self.drop(self.shown(functional.gelu(self.hidden(self.norms[1](x)))))


def shortened(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers [B, t, C] of rows [B, T, C], cut to the longest, and which tokens are there, bool [B, t]."""
    ids = rows.long()
    there = ids[:, :, 0] != 0
    if torch.compiler.is_exporting():  # an exported program has no shapes that hang from values
        return ids, there
    longest = int(there.sum(1).max()) if len(rows) else 0
    keep = min(rows.size(1), max(1, -(-longest // _STEP)) * _STEP)
    return ids[:, :keep], there[:, :keep]


def answered(x: Tensor, there: Tensor, length: int) -> Tensor:
    """The answer [B, (T + 1) * H], from vectors [B, t, H] and which tokens are there."""
    inside = there.unsqueeze(2)
    tokens = functional.pad(x * inside, (0, 0, 0, length - x.size(1)))
    largest = x.masked_fill(~inside, -math.inf).amax(1)
    return torch.cat([tokens.flatten(1), largest.masked_fill(~there.any(1, keepdim=True), 0.0)], 1)


def _turned(there: Tensor) -> Tensor:
    """Where each token is when its row is read backwards, padding staying at the end, int64 [B, t]."""
    places = torch.arange(there.size(1), device=there.device)
    return torch.where(there, there.sum(1, keepdim=True) - 1 - places, places)


def _taken(x: Tensor, places: Tensor) -> Tensor:
    return x.gather(1, places.unsqueeze(2).expand_as(x))


def _positions(tokens: int, width: int, device: torch.device) -> Tensor:
    """[t, E]."""
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    angles = torch.arange(tokens, device=device).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)
