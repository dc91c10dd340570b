"""A module of torch as a trunk: one of the user's own, or one that is built in."""

from collections.abc import Sequence

from pipeline.config.trunks import ModuleTrunk, OwnTrunk
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


def built_in(name: str, trunks: Sequence[ModuleTrunk], rows: Rows) -> Made:
    """A module made with `features`, the values of a row, and its settings; its dropouts have the slots' rates."""
    like, rates = trunks[0], [trunk.dropout for trunk in trunks]
    arguments = {"features": rows.features} | like.module_settings()
    shape, first = (rows.features,), not rows.embedded
    wrapped = Wrapped(like.module, arguments, shape, name, first=first, lifted=False, rates=rates)
    return [wrapped], wrapped.outputs
