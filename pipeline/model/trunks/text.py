"""Trunks that read text."""

from collections.abc import Sequence
from typing import Any

from pipeline.config.trunks import TextTrunk, Transformer
from pipeline.errors import UserError
from pipeline.model.layers import Wrapped
from pipeline.model.trunks.base import Made, Rows


def text(name: str, trunks: Sequence[TextTrunk], rows: Rows) -> Made:
    """An embedding of tokens under recurrent layers in both directions, or under blocks of self-attention.

    A slot is a call of its own, so that none can feel another; each has its own rate of dropout.

    Raises:
        UserError: The rows are no text.
    """
    like = trunks[0]
    if not rows.ids:
        raise UserError(f"trunk '{like.kind}' takes text; {', '.join(rows.sources)} holds none: use trunk mlp")
    arguments: dict[str, Any] = {"ids": rows.ids, "embedding": like.embedding, "widths": list(like.widths)}
    arguments |= {"heads": like.heads} if isinstance(like, Transformer) else {"kind": like.kind}
    rates = [trunk.dropout for trunk in trunks]
    wrapped = Wrapped(like.module, arguments, rows.shape, name, first=True, lifted=False, rates=rates)
    return [wrapped], wrapped.outputs
