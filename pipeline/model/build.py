"""From the settings of a stack's experiments to its network."""

from dataclasses import dataclass

from pipeline.config.model import HeadSettings, TrunkSettings
from pipeline.errors import UserError
from pipeline.model.layers import Activation, BatchNorm, Dropout, Layer, LayerNorm, Linear, embedded
from pipeline.model.network import Branch, Network


@dataclass(frozen=True)
class TaskShape:
    """What the network must know of a task.

    Attributes:
        source: Whose rows it reads.
        features: F, values of one row.
        outputs: C, values it answers.
        scale: Rows are divided by it.
        categories: How many codes each of a row's last values has, where these are codes of categories.
    """

    source: str
    features: int
    outputs: int
    scale: float = 1.0
    categories: tuple[int, ...] = ()


def build(
    sharing: str,
    trunks: list[TrunkSettings],
    heads: list[HeadSettings],
    tasks: dict[str, TaskShape],
    precision: str = "float32",
) -> Network:
    """A network for K slots that differ in dropout only.

    Args:
        sharing: `shared` or `separate`.
        trunks: The slots' trunks, K of them.
        heads: The slots' heads, K of them.
        tasks: Shapes by task.
        precision: Of the products: `float32` or `bfloat16`.

    Raises:
        UserError: Tasks share a trunk but their sources have rows of different size.
    """
    groups = {"trunk": tasks} if sharing == "shared" else {f"trunk.{task}": {task: tasks[task]} for task in tasks}
    branches = [_branch(name, trunks, heads, group) for name, group in groups.items()]
    network = Network(branches, {task: shape.source for task, shape in tasks.items()})
    for _, layer in network.layers():
        if isinstance(layer, Linear):
            layer.half = precision == "bfloat16"
    return network


def _branch(name: str, trunks: list[TrunkSettings], heads: list[HeadSettings], tasks: dict[str, TaskShape]) -> Branch:
    sizes = {shape.source: shape.features for shape in tasks.values()}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{source} has {size} values a row" for source, size in sizes.items())
        raise UserError(f"a shared trunk needs rows of one size; {found}: use model.sharing=separate")
    like = next(iter(tasks.values()))
    if any(shape.categories != like.categories for shape in tasks.values()):
        raise UserError(f"a shared trunk needs the same categories in {', '.join(sizes)}: use model.sharing=separate")
    trunk, width = _mlp(name, like, trunks, tuple(sizes))
    own = {task: _head(f"head.{task}", width, heads, shape, first=not trunk) for task, shape in tasks.items()}
    branch = Branch(name, tuple(sizes), trunk, own)
    _normalise(branch, {shape.source: 1.0 / shape.scale for shape in tasks.values()})
    return branch


def _normalise(branch: Branch, factors: dict[str, float]) -> None:
    """Let the first layers multiply by the one factor of all sources, or the branch by each source's own."""
    first = [branch.trunk[0]] if branch.trunk else [head[0] for head in branch.heads.values()]
    linear = [layer for layer in first if isinstance(layer, Linear)]
    if len(linear) == len(first) and len(set(factors.values())) == 1:
        for layer in linear:
            layer.scale = next(iter(factors.values()))
    else:
        branch.factors = factors if set(factors.values()) != {1.0} else {}


def _mlp(name: str, shape: TaskShape, trunks: list[TrunkSettings], sources: tuple[str, ...]) -> tuple[list[Layer], int]:
    """The trunk's layers and the width of its output."""
    like = trunks[0]
    numeric = like.number_embedding if like.kind == "tabular" else None
    layers, width = embedded(shape.features, shape.categories, like.embedding, numeric)
    for index, units in enumerate(like.widths):
        layers.append(Linear(width, units, first=not layers))
        if like.norm == "layer":
            layers.append(LayerNorm(units))
        elif like.norm != "none":
            layers.append(BatchNorm(units, sources if like.norm == "batch_per_source" else ()))
        layers.append(Activation(like.activation))
        layers.append(Dropout([trunk.dropout for trunk in trunks], f"{name}.{index}"))
        width = units
    return layers, width


def _head(name: str, width: int, heads: list[HeadSettings], shape: TaskShape, first: bool) -> list[Layer]:
    layers: list[Layer] = []
    for index, units in enumerate(heads[0].widths if heads[0].kind == "mlp" else ()):
        layers += [Linear(width, units, first=first and index == 0), Activation("relu")]
        layers.append(Dropout([head.dropout for head in heads], f"{name}.{index}"))
        width = units
    layers.append(Linear(width, shape.outputs, first=first and not layers, last=True))
    return layers
