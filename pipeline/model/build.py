"""From the settings of a stack's experiments to its network."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.config.model import Head, MLPHead, OwnHead
from pipeline.config.sharing import Sharing
from pipeline.config.trunks import Trunk
from pipeline.errors import UserError
from pipeline.model.layers import (
    Activation,
    Conditioning,
    Conv2d,
    Dropout,
    Layer,
    Linear,
    Pooled,
    Preference,
    Tokens,
    Wrapped,
)
from pipeline.model.network import Branch, Network
from pipeline.model.sharing import make_shared
from pipeline.model.trunks import Rows, make_trunk


@dataclass(frozen=True)
class TaskShape:
    """What the network must know of a task.

    Attributes:
        source: Whose rows it reads.
        features: F, values of one row.
        outputs: C, values it answers.
        scale: Rows are divided by it.
        shape: Of one row before it is flattened; (F,) where it is not given.
        categories: How many codes each of a row's last values has, where these are codes of categories.
        ids: How many different numbers its rows of text hold; 0 where they are none.
        per_token: Whether it answers every token of a row.
        frame: Of text that a pretrained tokenizer made numbers of, what its encoder needs around a row.
    """

    source: str
    features: int
    outputs: int
    scale: float = 1.0
    shape: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()
    ids: int = 0
    per_token: bool = False
    frame: Mapping[str, Any] | None = None

    @property
    def row(self) -> tuple[int, ...]:
        """Shape of one row."""
        return self.shape or (self.features,)


def build(
    sharing: Sharing,
    trunks: list[Trunk],
    heads: list[Head],
    tasks: dict[str, TaskShape],
    precision: str = "float32",
    conditioning: Conditioning | None = None,
) -> Network:
    """A network for K slots that differ in dropout only.

    Args:
        sharing: How the tasks share.
        trunks: The slots' trunks, K of them.
        heads: The slots' heads, K of them.
        tasks: Shapes by task.
        precision: Of the products: `float32` or `bfloat16`.
        conditioning: Of a network that is given a preference among its tasks.

    Raises:
        UserError: Tasks share a trunk but their sources have rows of different size, or a trunk cannot take its rows.
    """
    groups = {"trunk": tasks} if sharing.shares else {f"trunk.{task}": {task: tasks[task]} for task in tasks}
    branches = [_branch(name, sharing, trunks, heads, group, conditioning) for name, group in groups.items()]
    network = Network(branches, {task: shape.source for task, shape in tasks.items()})
    for layer in (part for _, it in network.layers() for part in it.parts()):
        if isinstance(layer, Linear):
            layer.half = precision == "bfloat16"
    return network


def _branch(
    name: str,
    sharing: Sharing,
    trunks: list[Trunk],
    heads: list[Head],
    tasks: dict[str, TaskShape],
    conditioning: Conditioning | None,
) -> Branch:
    sizes = {shape.source: shape.features for shape in tasks.values()}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{source} has {size} values a row" for source, size in sizes.items())
        raise UserError(f"a shared trunk needs rows of one size; {found}: use model.sharing=separate")
    like = next(iter(tasks.values()))
    if any(shape.categories != like.categories for shape in tasks.values()):
        raise UserError(f"a shared trunk needs the same categories in {', '.join(sizes)}: use model.sharing=separate")
    rows, reads = replace(_rows(trunks[0], tasks), conditioning=conditioning), {}
    if sharing.plain:
        trunk, width = make_trunk(name, trunks, rows)
    else:
        trunk, width = make_shared(name, sharing, trunks, rows, {task: it.source for task, it in tasks.items()})
        reads = {task: slice(place * width, (place + 1) * width) for place, task in enumerate(tasks)}
    own = {
        task: [*parts, *_head(f"head.{task}", units, heads, shape, first=not trunk)]
        for task, shape in tasks.items()
        for parts, units in [_read(trunks[0], width, shape)]
    }
    branch = Branch(name, tuple(sizes), trunk, own, reads)
    _normalise(branch, {shape.source: 1.0 / shape.scale for shape in tasks.values()})
    return branch


def _read(trunk: Trunk, width: int, shape: TaskShape) -> tuple[list[Layer], int]:
    """The part of the trunk's answer that a task's head reads, and its width; of all but text it is the whole.

    Raises:
        UserError: The task wants an answer for every token, and the trunk gives none.
    """
    if not trunk.text and not shape.per_token:
        return [], width
    length = shape.row[0]
    units, rest = divmod(width, length + 1)
    if not shape.ids or rest:
        raise UserError(
            f"tagging {shape.source} needs a trunk of text, or a module of one's own that answers "
            f"({length} tokens + 1) * H values; this one, '{trunk.kind}', answers {width}"
        )
    return [(Tokens if shape.per_token else Pooled)(length, units)], units


def _rows(trunk: Trunk, tasks: dict[str, TaskShape]) -> Rows:
    """What passes through the trunk of these tasks, whose rows are of one size."""
    first = next(iter(tasks.values()))
    sources = {shape.source: shape.row for shape in tasks.values()}
    if not trunk.embeds and len(set(sources.values())) > 1:
        found = ", ".join(f"{source} has {list(shape)}" for source, shape in sources.items())
        raise UserError(f"a shared trunk '{trunk.kind}' needs rows of one shape; {found}: use model.sharing=separate")
    ids = min(shape.ids for shape in tasks.values())
    return Rows(tuple(sources), first.features, first.row, first.categories, ids, first.frame)


def _normalise(branch: Branch, factors: dict[str, float]) -> None:
    """Let the first layers multiply by the one factor of all sources, or the branch by each source's own."""
    begins = [branch.trunk[0]] if branch.trunk else [head[0] for head in branch.heads.values()]
    first = [layer for begin in begins for layer in begin.entrances()]
    scaling = [layer for layer in first if isinstance(layer, Linear | Conv2d | Preference)]
    if len(scaling) == len(first) and len(set(factors.values())) == 1:
        for layer in scaling:
            layer.scale = next(iter(factors.values()))
    else:
        branch.factors = factors if set(factors.values()) != {1.0} else {}


def _head(name: str, width: int, heads: list[Head], shape: TaskShape, first: bool) -> list[Layer]:
    if isinstance(heads[0], OwnHead):
        return [_own_head(name, width, heads[0], shape.outputs, first)]
    layers: list[Layer] = []
    hidden = [head for head in heads if isinstance(head, MLPHead)]
    for index, units in enumerate(hidden[0].widths if hidden else ()):
        layers += [Linear(width, units, first=first and index == 0), Activation("relu")]
        layers.append(Dropout([head.dropout for head in hidden], f"{name}.{index}"))
        width = units
    layers.append(Linear(width, shape.outputs, first=first and not layers, last=True))
    return layers


def _own_head(name: str, width: int, head: OwnHead, outputs: int, first: bool) -> Layer:
    """A module of the user's own as a head.

    Raises:
        UserError: It is not there, cannot be made so, or answers something else than logits.
    """
    arguments = {"inputs": width, "outputs": outputs, **head.arguments}
    wrapped = Wrapped(head.kind, arguments, (width,), name, first=first, lifted=False)
    if wrapped.outputs != outputs:
        raise UserError(f"'{head.kind}' should answer {outputs} values a row as {name}, not {wrapped.outputs}")
    return wrapped
