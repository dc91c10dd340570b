"""A specified network as plain modules of torch.

Tasks share one pass through their trunk, except where their sources differ in scale, are normalised apart
(`batch_per_source`) or are text or tables: then the trunk runs once a source, with the statistics of each.

Legend of shapes: B rows, F values of a row, H values of the trunk, C logits of a task.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from pipeline.model.layers.plain import sequence
from pipeline.serving.rows import Rows
from pipeline.serving.specification import Specification


@dataclass(frozen=True)
class Trunk:
    """A trunk as the rows of one scale and one group of statistics pass it, and the heads that read it.

    Attributes:
        rows: What they look like.
        scale: They are divided by it.
        layers: The trunk, [B, F] -> [B, H].
        heads: By task, [B, H] -> [B, C]; of a tagging task [B * T, C], a row a token.
    """

    rows: Rows
    scale: float
    layers: nn.Sequential
    heads: Mapping[str, nn.Sequential]


class Columns(nn.Module):
    """Some values of every row, [B, H] -> [B, stop - start]: the part of a trunk that a head reads."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x[:, self.start : self.stop]


def build(spec: Specification, tensors: Mapping[str, Tensor]) -> list[Trunk]:
    """The network's trunks with their heads, in evaluation mode.

    Args:
        spec: Of the model.
        tensors: By the names of `Network.named`, without the axis of slots.
    """
    trunks = []
    for branch in spec.branches:
        apart = any(layer.get("sources") for layer in branch.layers)
        groups: dict[tuple[float, str], list[str]] = {}
        for task in branch.heads:
            name = spec.tasks[task].source
            source = spec.sources[name]
            # Texts are split into tokens, and tables encoded, as their own source says.
            own = name if apart or source.kind != "pixels" else ""
            groups.setdefault((source.scale, own), []).append(task)
        for (scale, own), tasks in groups.items():
            name = spec.tasks[tasks[0]].source
            layers = sequence(branch.trunk, branch.name, tensors, own)
            heads = {task: sequence(branch.heads[task], f"head.{task}", tensors, own) for task in tasks}
            if branch.reads:
                heads = {task: nn.Sequential(Columns(*branch.reads[task]), *head) for task, head in heads.items()}
            trunks.append(Trunk(Rows.of(name, spec.sources[name]), scale, layers, heads))
    return trunks
