"""Spans of tags: which entities a row of BIO tags says, and how many of them are right.

As `conlleval` of the CoNLL shared tasks (Tjong Kim Sang and De Meulder 2003), and seqeval by default, an entity begins
at a B- tag, and at an I- tag that follows no tag of its own type; it ends before the next token that does not go on
with it. An entity is right where beginning, end and type are.

Shapes: any leading ones, T tokens of a row, R types.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class Spans:
    """Counts entities.

    Args:
        classes: Names of the tags.
        device: Where tags lie.

    Attributes:
        types: Names of the types, in order.
    """

    def __init__(self, classes: Sequence[str], device: str = "cpu") -> None:
        self.types = sorted({name[2:] for name in classes if name[1:2] == "-"})
        kinds = [self.types.index(name[2:]) if name[1:2] == "-" else -1 for name in classes]
        self._type_of = torch.tensor(kinds, device=device)
        self._begins = torch.tensor([name.startswith("B-") for name in classes], device=device)

    def counts(self, answered: Tensor, true: Tensor, known: Tensor) -> Tensor:
        """Of each type, in each row, the entities that are right, answered, and true.

        Args:
            answered: Tags [..., T].
            true: Tags that broadcast with them.
            known: Where the true tags are known, bool; elsewhere no entity is counted.

        Returns:
            int64 [..., 3, R].
        """
        mine, theirs = self._read(answered, known), self._read(true, known)
        right = mine[0] & theirs[0] & (mine[1] == theirs[1]) & (mine[2] == theirs[2])
        found = [
            torch.stack([(begins & (kind == number)).sum(-1) for number in range(len(self.types))], -1)
            for begins, kind in ((right, mine[1]), mine[:2], theirs[:2])
        ]
        return torch.stack(torch.broadcast_tensors(*found), -2)

    def _read(self, tags: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where entities begin, the type of each token, and where the entity that is under way ends."""
        kind = self._type_of[tags].where(known, -1)
        before = torch.nn.functional.pad(kind[..., :-1], (1, 0), value=-1)
        begins = (kind >= 0) & (self._begins[tags] | (before != kind))
        over = torch.nn.functional.pad(begins | (kind < 0), (0, 1), value=True)[..., 1:]  # the next token is no part
        places = torch.arange(tags.size(-1), device=tags.device).expand(kind.shape)
        ends = places.where(over, tags.size(-1)).flip(-1).cummin(-1).values.flip(-1)
        return begins, kind, ends


def f1(counts: Tensor) -> Tensor:
    """F1 from counts of what is right, answered and true [..., 3]; 0 where there is nothing."""
    right, answered, true = counts.double().unbind(-1)
    return 2 * right / (answered + true).clamp_min(1)
