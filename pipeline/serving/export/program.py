"""A model as one module from named tensors to named tensors, which exporters take.

Legend of shapes: B rows, F values of a row, T tokens of a text, C classes or labels, W numbers of a text, S tasks that
share a preference.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.data.encodings.rows import CATEGORICAL, FREE_TEXT
from pipeline.kinds import kind_of
from pipeline.model.layers.preference import asking
from pipeline.serving.decisions import decision_of
from pipeline.serving.export.table import TableRows
from pipeline.serving.network import Trunk, build
from pipeline.serving.specification import SourceSpec, Specification, TaskSpec

PREFERENCE = "preference"
_QUOTES = re.compile("['\"]")
ABSENT = -1
"""The label of a token beyond the end of its text."""


@dataclass(frozen=True)
class Input:
    """A tensor that a program takes.

    Attributes:
        name: `<source>`; of a column of a table `<source>/<column>`; or `preference`, beside a source of that name
            `preference/shares`.
        kind: `pixels`, `tokens`, `preference`, or the kind of a table's column.
        dtype: Of its values.
        shape: Of a row; of the preference the whole one.
        source: Whose rows it holds; all those of one source have as many.
        column: Of a table, as its encoding describes it.
        key: Under which a program takes it: the name without quotes, which torch.export does not escape.
    """

    name: str
    kind: str
    dtype: torch.dtype
    shape: tuple[int, ...] = ()
    source: str = ""
    column: Mapping[str, Any] | None = None
    key: str = ""


def inputs_of(spec: Specification) -> list[Input]:
    """What a program of this model takes, in order."""
    found = [it for name, source in spec.sources.items() for it in _inputs(name, source)]
    names = {it.name for it in found}
    if spec.preference:
        shares = _free(PREFERENCE, names, "/shares")
        found.append(Input(shares, PREFERENCE, torch.float32, (len(spec.preference["tasks"]),)))
    keyed = list[Input]()
    for it in found:
        key = it.name if not _QUOTES.search(it.name) else _free(_QUOTES.sub("_", it.name), names, "_")
        keyed.append(replace(it, key=key))
        names.add(key)
    return keyed


def _free(name: str, taken: Collection[str], more: str) -> str:
    """A name that is not taken."""
    while name in taken:
        name += more
    return name


def _inputs(name: str, source: SourceSpec) -> Iterator[Input]:
    if source.kind == "pixels":
        yield Input(name, "pixels", torch.float32, tuple(source.shape), name)
    elif source.kind == "text":
        yield Input(name, "tokens", torch.int64, tuple(source.shape), name)
    for column in (source.encoding or {})["columns"] if source.kind == "table" else ():
        kind = column["kind"]
        dtype = {CATEGORICAL: torch.int64, FREE_TEXT: torch.float32}.get(kind, torch.float64)
        shape = (column["width"],) if kind == FREE_TEXT else ()
        yield Input(f"{name}/{column['name']}", kind, dtype, shape, name, column)


class Program(nn.Module):
    """The network, or several, with what stands before and behind it when it is served.

    Takes a mapping of tensors by the keys of `inputs_of`: pixels as the source stores them, float32 [B, *shape];
    numbers of tokens, int64 [B, T, numbers], see `pipeline.data.encodings.words`; columns of a table as `TableRows`
    takes them; a preference, float32 [S]. Each source has a number B of rows of its own.

    Answers by task `<task>/label`, int64 [B], of several labels 0 or 1 [B, C], of tags [B, T] with -1 where a text has
    no token; `<task>/probability`, float32 [B, C], of tags [B, T, C]; or `<task>/value`, float64 [B].

    Args:
        spec: Of the model.
        tensors: Its weights by name.
    """

    def __init__(self, spec: Specification, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._spec, self.inputs = spec, inputs_of(spec)
        self.trunks = build(spec, tensors)
        self.layers = nn.ModuleList(m for it in self.trunks for m in (it.layers, *it.heads.values()))
        self.tables = nn.ModuleDict(
            {f"{place}": TableRows(it) for place, it in enumerate(spec.sources.values()) if it.kind == "table"}
        )
        self.requires_grad_(False).eval()

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See the class."""
        given = [inputs[it.key] for it in self.inputs if it.kind == PREFERENCE]
        shares = given[0] / given[0].sum() if given else None
        rows = {name: self._rows(place, name, inputs) for place, name in enumerate(self._spec.sources)}
        found: dict[str, Tensor] = {}
        with asking(shares):
            for trunk in self.trunks:
                for source, tasks in _by_source(self._spec, trunk).items():
                    x = trunk.layers(rows[source] / trunk.scale)
                    for task in tasks:
                        found |= self._answers(task, trunk.heads[task](x), inputs)
        return {name: found[name] for task in self._spec.tasks for name in found if name.rpartition("/")[0] == task}

    def _rows(self, place: int, name: str, inputs: Mapping[str, Tensor]) -> Tensor:
        """Rows as the network takes them, float32 [B, F]."""
        source = self._spec.sources[name]
        if source.kind == "table":
            return self.tables[f"{place}"]([inputs[it.key] for it in self.inputs if it.source == name])
        return inputs[name].reshape(-1, math.prod(source.shape)).float()

    def _answers(self, task: str, logits: Tensor, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        about = self._spec.tasks[task]
        kind = kind_of(about.kind)
        if kind.is_number:
            return {f"{task}/value": decision_of(about).predict(logits)["value"]}
        chances = _chances(about, logits)
        label = (chances > torch.tensor(about.thresholds)).long() if kind.thresholds else chances.argmax(1)
        if kind.per_token:
            there = inputs[about.source][:, :, 0] != 0
            label = label.view(there.shape).where(there, ABSENT)
            chances = chances.view(*there.shape, -1)
        return {f"{task}/label": label, f"{task}/probability": chances}


def _chances(task: TaskSpec, logits: Tensor) -> Tensor:
    """Probabilities [B, C], as `pipeline.serving.decisions` has them by column."""
    kind = kind_of(task.kind)
    if kind.activation == "softmax":
        return torch.softmax(logits, 1)
    return torch.sigmoid(torch.cat([-logits, logits], 1) if kind.two_classes else logits)


def _by_source(spec: Specification, trunk: Trunk) -> dict[str, list[str]]:
    """The tasks of a trunk by their sources: those that look alike are served together, and are inputs apart."""
    found: dict[str, list[str]] = {}
    for task in trunk.heads:
        found.setdefault(spec.tasks[task].source, []).append(task)
    return found
