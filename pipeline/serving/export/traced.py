"""A model's program as torch.export traces it; what cannot be traced is named."""

import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from pipeline.errors import Failure
from pipeline.model.layers.plain import Shaped
from pipeline.plugins import first_line
from pipeline.serving.export.program import PREFERENCE, Input, Program

_ROWS = 2  # of an example: of 0 and 1 the program would become a special case

Converted = Callable[[ExportedProgram], Any]
"""What is made of a traced program."""


def traced(program: Program, converted: Converted) -> Any:
    """Trace a program with a number of rows that is left open, and convert it.

    Args:
        program: It.
        converted: Makes a file's content of the traced program.

    Raises:
        Failure: A layer cannot be traced or converted; the message names it.
    """
    sources = list(dict.fromkeys(it.source for it in program.inputs))
    example = {it.key: _example(it, _ROWS + sources.index(it.source)) for it in program.inputs}
    rows = {source: Dim(f"rows_{place}") for place, source in enumerate(sources)}
    shapes = {it.key: None if it.kind == PREFERENCE else {0: rows[it.source]} for it in program.inputs}
    try:
        with quiet():
            return converted(torch.export.export(program, (example,), dynamic_shapes=(shapes,)))
    except Exception as error:  # exporters raise whatever they meet
        where = _culprit(program, converted)
        raise Failure(f"{where} cannot be exported: {first_line(error)}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without what exporters print, log and warn of."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _example(it: Input, rows: int) -> Tensor:
    shape = it.shape if it.kind == PREFERENCE else (rows, *it.shape)
    return torch.ones(shape, dtype=it.dtype)


def _culprit(program: Program, converted: Converted) -> str:
    """The first layer that cannot be exported alone."""
    for trunk in program.trunks:
        rows = torch.ones(_ROWS, math.prod(trunk.rows.source.shape))
        parts = {"the trunk": trunk.layers} | {f"the head of {task}": head for task, head in trunk.heads.items()}
        for name, layers in parts.items():
            x = rows
            for number, layer in enumerate(layers, 1):
                try:
                    with quiet():
                        converted(torch.export.export(nn.Sequential(layer), (x,), dynamic_shapes=({0: Dim("rows")},)))
                except Exception:  # as above
                    kind = type(layer.module if isinstance(layer, Shaped) else layer)
                    return f"layer {number} of {name}, {kind.__module__}:{kind.__qualname__},"
                x = layer(x)
            rows = x if layers is trunk.layers else rows
    return "the model"
