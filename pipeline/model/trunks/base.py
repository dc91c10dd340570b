"""From settings to the layers of a trunk: what a kind of trunk is given, and what it returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.config.trunks import MLP, ResidualMLP, Tabular, Trunk
from pipeline.errors import UserError
from pipeline.model.layers import BatchNorm, Conditioning, Dropout, Layer, LayerNorm, Preference, embedded
from pipeline.model.layers.images import Shape
from pipeline.plugins import named

Settings = Sequence[Trunk]
"""Those of K slots, which differ in dropout only."""

Made = tuple[list[Layer], int]
"""A trunk's layers and the width of its answer."""


@dataclass(frozen=True)
class Rows:
    """What passes through a trunk.

    Attributes:
        sources: Whose rows.
        features: F, values of one row.
        shape: Of one row before it is flattened; of text [T, C], tokens and numbers of each.
        categories: How many codes each of a row's last values has, where these are codes of categories.
        ids: How many different numbers text has; 0 where rows are none.
        frame: Of text that a pretrained tokenizer made numbers of, what its encoder needs around a row.
        embedded: They come from layers that need their gradient.
        conditioning: Of a network that is given a preference among its tasks; None for all others.
    """

    sources: tuple[str, ...]
    features: int
    shape: tuple[int, ...]
    categories: tuple[int, ...] = ()
    ids: int = 0
    frame: Mapping[str, Any] | None = None
    embedded: bool = False
    conditioning: Conditioning | None = None

    def image(self, kind: str) -> Shape:
        """Their shape as images: [C, H, W], or [H, W] of one channel.

        Raises:
            UserError: They are none.
        """
        if len(self.shape) not in (2, 3):
            raise UserError(
                f"trunk '{kind}' takes images; rows of {', '.join(self.sources)} have the shape {list(self.shape)}: "
                "use trunk mlp or residual"
            )
        channels, height, width = (1, *self.shape)[-3:]
        return channels, height, width


def entrance(trunks: Settings, rows: Rows) -> tuple[list[Layer], Rows]:
    """The embeddings through which the rows of a table come in, what is appended to them, and the rows behind that.

    Where there is nothing to embed and to append, these are no layers and the rows themselves.
    """
    layers, inner = _embeddings(trunks, rows)
    if rows.conditioning is None:
        return layers, inner
    shape = (inner.features,) if trunks[0].embeds else inner.image(trunks[0].kind)
    preference = Preference(shape, rows.conditioning, first=not layers)
    return [*layers, preference], replace(inner, features=preference.outputs, shape=preference.answers)


def _embeddings(trunks: Settings, rows: Rows) -> tuple[list[Layer], Rows]:
    like: Any = trunks[0]
    if not like.embeds:
        return [], rows
    numeric = like.number_embedding if isinstance(like, Tabular) else None
    layers, width = embedded(rows.features, rows.categories, like.embedding, numeric)
    return layers, Rows(rows.sources, width, (width,), embedded=True) if layers else rows


def norm(trunks: Sequence[MLP | ResidualMLP], width: int, rows: Rows) -> list[Layer]:
    """The norm of a layer's units, if any."""
    kind = trunks[0].norm
    if kind == "none":
        return []
    return [LayerNorm(width) if kind == "layer" else BatchNorm(width, groups(trunks, rows))]


def groups(trunks: Settings, rows: Rows) -> tuple[str, ...]:
    """Sources whose rows batch norm takes apart."""
    return rows.sources if trunks[0].per_source else ()


def dropout(trunks: Settings, name: str) -> Dropout:
    """Each slot's own dropout; the name is that of its draws."""
    return Dropout([trunk.dropout for trunk in trunks], name)


def make_trunk(name: str, trunks: Settings, rows: Rows) -> Made:
    """The trunk of K slots and the width of its output.

    Args:
        name: Names its draws.
        trunks: The slots' settings.
        rows: What passes through it.

    Raises:
        UserError: It cannot take such rows, or a module of the user's own is not there or breaks its contract.
    """
    layers, inner = entrance(trunks, rows)
    body, width = make_body(name, trunks, inner)
    return [*layers, *body], width


def make_body(name: str, trunks: Settings, rows: Rows) -> Made:
    """The same without what embeds the rows, see `entrance`."""
    trunk = trunks[0]
    if rows.ids and not (trunk.text or trunk.own_path):
        readers = " or ".join(kind for kind, it in Trunk.choices.items() if it.text)
        raise UserError(f"trunk '{trunk.kind}' cannot read the text of {', '.join(rows.sources)}: use {readers}")
    return named(trunk.implementation)(name, trunks, rows)
