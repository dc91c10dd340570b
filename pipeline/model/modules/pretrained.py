"""An encoder of Hugging Face that reads text, for trunks of kind huggingface.

A copy of this file goes into every model with such a trunk: it imports nothing that such a model does not require.

Legend of shapes: B rows, T tokens of a row at most, C numbers of a token, S numbers of the longest row at hand with
what stands around it, H values that the encoder answers for a number.

It takes rows [B, T, C] as `pipeline.data.encodings.words.Tokenized` makes them, and answers [B, (T + 1) * H]: for every
token what the encoder says of its first number, zeros beyond the end of a row, and last one for the row, the mean over
its numbers (Reimers and Gurevych 2019, arXiv 1908.10084, section 3).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

_STEP = 8  # rows are as long as the longest one, in steps of so many numbers: few sizes make few buffers


class Encoder(nn.Module):
    """An encoder, made anew of its configuration.

    Args:
        config: Its configuration, which names its kind.
        before: Numbers in front of a row.
        after: Numbers behind it.
        padding: What fills shorter rows.
        most: Numbers of a row that it can take, if it is bound to any.
        frozen: It is not trained, and drops nothing.
    """

    def __init__(
        self,
        config: dict[str, Any],
        before: list[int],
        after: list[int],
        padding: int,
        most: int | None,
        frozen: bool = False,
    ) -> None:
        from transformers import AutoConfig, AutoModel

        super().__init__()
        self.encoder = AutoModel.from_config(AutoConfig.for_model(**config))
        self._before, self._after, self._padding = before, after, padding
        self._most, self._frozen = most, frozen
        self.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> "Encoder":
        """See `nn.Module`."""
        return super().train(mode and not self._frozen)

    def forward(self, rows: Tensor) -> Tensor:
        """[B, T, C] -> [B, (T + 1) * H]."""
        if not torch.compiler.is_exporting() and not len(rows):  # which encoders cannot take
            return self.forward(rows.new_zeros(1, *rows.shape[1:]))[:0]
        numbers = rows.long()
        there = numbers != 0
        if self._most is not None:  # a row that no tokenizer made may have more
            there &= (there.flatten(1).cumsum(1) <= self._most).view_as(there)
        begin = len(self._before)
        places = (there.flatten(1).cumsum(1) + begin - 1).view_as(numbers)  # of each number in what is asked
        ends = places.flatten(1)[:, -1:] + 1  # where a row's own numbers end [B, 1]
        asked = self._asked(numbers, there, places, ends)
        each = torch.arange(asked.size(1), device=rows.device)
        known = each < ends + len(self._after)
        found = self.encoder(input_ids=asked, attention_mask=known.long()).last_hidden_state  # [B, S, H]
        first = places[:, :, :1].clamp(0, asked.size(1) - 1).expand(-1, -1, found.size(2))
        tokens = found.gather(1, first) * there[:, :, :1]
        own = ((each >= begin) & (each < ends)).unsqueeze(2)
        mean = (found * own).sum(1) / own.sum(1).clamp(min=1)
        return torch.cat([tokens.flatten(1), mean], 1)

    def _asked(self, numbers: Tensor, there: Tensor, places: Tensor, ends: Tensor) -> Tensor:
        """What the encoder is asked about [B, S]: a row's numbers side by side, between those around them."""
        around = len(self._before) + len(self._after)
        if torch.compiler.is_exporting():  # an exported program has no shapes that hang from values
            longest = around + math.prod(numbers.shape[1:])
        else:
            longest = (int(ends.max()) if len(ends) else 0) + len(self._after)
        length = -(-max(longest, around + 1) // _STEP) * _STEP
        length = length if self._most is None else min(length, around + self._most)
        asked = numbers.new_full((numbers.size(0), length + 1), self._padding)
        # What is not there is put behind the end, and cut off.
        asked.scatter_(1, places.where(there, length).flatten(1), numbers.flatten(1) - 1)
        asked = asked[:, :length]
        asked[:, : len(self._before)] = numbers.new_tensor(self._before)
        for place, number in enumerate(self._after):
            asked.scatter_(1, ends + place, number)
        return asked
