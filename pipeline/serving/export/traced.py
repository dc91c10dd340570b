"""A model's program as torch.export traces it; what cannot be traced is named."""

import io
import logging
import math
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from pipeline.errors import Failure
from pipeline.model.layers.plain import Shaped
from pipeline.serving.export.program import PREFERENCE, Input, Program

_ROWS = 2  # of an example: of 0 and 1 the program would become a special case
_NUMBER = re.compile(r"\d+")

Converted = Callable[[ExportedProgram], Any]
"""What is made of a traced program."""


def traced(program: Program, converted: Converted = lambda it: it, alone: Converted = lambda it: it) -> Any:
    """Trace a program with a number of rows that is left open, and convert it.

    Args:
        program: It.
        converted: Makes a file's content of the traced program.
        alone: The same of a single layer's.

    Raises:
        Failure: It cannot be traced or converted; the message names the layer that fails in the same way alone.
    """
    sources = list(dict.fromkeys(it.source for it in program.inputs))
    example = {it.key: _example(it, _ROWS + sources.index(it.source)) for it in program.inputs}
    rows = {source: Dim(f"rows_{place}") for place, source in enumerate(sources)}
    shapes = {it.key: None if it.kind == PREFERENCE else {0: rows[it.source]} for it in program.inputs}
    try:
        with quiet():
            return converted(torch.export.export(program, (example,), dynamic_shapes=(shapes,)))
    except Exception as error:  # exporters raise whatever they meet
        cause = cause_of(error)
        raise Failure(f"{_culprit(program, alone, cause)} cannot be exported: {cause}") from error


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


def cause_of(error: BaseException) -> str:
    """The first line of the innermost cause, in plain letters: exporters wrap it in advice, and colour that."""
    while error.__cause__:
        error = error.__cause__
    return click.unstyle(next((it for it in str(error).splitlines() if it.strip()), type(error).__name__))


def _example(it: Input, rows: int) -> Tensor:
    shape = it.shape if it.kind == PREFERENCE else (rows, *it.shape)
    return torch.ones(shape, dtype=it.dtype)


def _culprit(program: Program, converted: Converted, cause: str) -> str:
    """The first layer that alone fails for the same cause, but for the numbers that its symbols have."""
    for trunk in program.trunks:
        rows = torch.ones(_ROWS, math.prod(trunk.rows.source.shape))
        parts = {"the trunk": trunk.layers} | {f"the head of {task}": head for task, head in trunk.heads.items()}
        for name, layers in parts.items():
            x = rows
            for number, layer in enumerate(layers, 1):
                try:
                    with quiet():
                        converted(torch.export.export(nn.Sequential(layer), (x,), dynamic_shapes=({0: Dim("rows")},)))
                except Exception as error:  # as above
                    if _NUMBER.sub("", cause_of(error)) == _NUMBER.sub("", cause):
                        kind = type(layer.module if isinstance(layer, Shaped) else layer)
                        return f"layer {number} of {name}, {kind.__module__}:{kind.__qualname__},"
                try:
                    x = layer(x)
                except Exception:  # an own one may refuse rows of ones
                    return "the model"
            rows = x if layers is trunk.layers else rows
    return "the model"
