"""A module of the user's own as a trunk."""

from collections.abc import Sequence

from pipeline.config.trunks import OwnTrunk
from pipeline.model.layers import Wrapped
from pipeline.model.trunks.base import Made, Rows, dropout


def module(name: str, trunks: Sequence[OwnTrunk], rows: Rows) -> Made:
    """Any torch.nn.Module that takes rows of the source's shape, [B, *shape]; dropout drops units of its answer.

    Raises:
        UserError: It is not there, cannot be made of its arguments, or cannot take such rows.
    """
    like = trunks[0]
    wrapped = Wrapped(like.kind, dict(like.arguments), rows.shape, name, first=True, lifted=False)
    return [wrapped, dropout(trunks, f"{name}.answer")], wrapped.outputs
