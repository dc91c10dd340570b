"""Making the module of a wrapped layer from what an experiment says of it, and trying it once."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from pipeline.errors import Failure, UserError
from pipeline.machine import available_memory
from pipeline.plugins import first_line, is_ours, made, named, own_class

_TRAINED = 4  # times a network's values, at least: they, their gradients, and the optimizer's state

TORCHVISION = "torchvision.models:get_model"
"""Makes torchvision's networks by their names: the only function that may stand in the place of a class."""


@dataclass(frozen=True)
class Made:
    """A module that has answered two rows of zeros.

    Attributes:
        module: It, in evaluation mode.
        outputs: O, values it answers for a row.
        writes: Whether it writes over its input.
    """

    module: nn.Module
    outputs: int
    writes: bool

    def tensors(self) -> dict[str, Tensor]:
        """Its parameters and buffers by name."""
        return {name: it.detach() for name, it in (*self.module.named_parameters(), *self.module.named_buffers())}


def make(path: str, arguments: dict[str, Any], shape: tuple[int, ...], seed: int) -> Made:
    """Make a module, its initial values drawn from torch's global generator under this seed.

    Args:
        path: Its class, derived from `torch.nn.Module`, as `package.module:Class`, or `TORCHVISION`.
        arguments: Keyword arguments of it.
        shape: Of one row as it takes it.
        seed: Of all its draws.

    Raises:
        UserError: It is not there, cannot be made so, cannot take such rows, or has a buffer that float32 cannot hold.
    """
    factory = named(path) if path == TORCHVISION else own_class(path, nn.Module)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module = made(path, factory, arguments)
        answered = _tried(path, module.float().eval(), torch.zeros(2, *shape))
    for name, it in answered.tensors().items():
        if not it.is_floating_point() and (it.is_complex() or not torch.equal(it, it.float().to(it.dtype))):
            raise UserError(f"'{path}' has a buffer '{name}' ({it.dtype}) with values that float32 cannot hold")
    return answered


def check_size(path: str, arguments: dict[str, Any]) -> None:
    """Count the values of a module of this package without allocating them, to train it.

    Raises:
        Failure: They do not fit into this machine's memory.
    """
    if not is_ours(path):
        return
    try:
        with torch.device("meta"):
            module = made(path, own_class(path, nn.Module), arguments)
    except UserError:
        return  # said when it is made
    values = [it for it in (*module.parameters(), *module.buffers()) if not is_lazy(it)]
    needed, free = _TRAINED * sum(it.numel() * it.element_size() for it in values), available_memory()
    if needed > free:
        raise Failure(
            f"a network needs more than {needed / 2**30:.1f} GiB of memory to train and {free / 2**30:.1f} GiB "
            "are free: choose smaller widths, or fewer"
        )


def _tried(path: str, module: nn.Module, rows: Tensor) -> Made:
    takes = f"'{path}' should take rows of shape {tuple(rows.shape[1:])}"
    try:
        with torch.no_grad():
            answer = module(rows)
    except Exception as error:
        raise UserError(f"{takes}: {first_line(error)}") from error
    if not isinstance(answer, Tensor):
        raise UserError(f"{takes} and answer one tensor, not a {type(answer).__name__}: wrap it in a module that does")
    if answer.dim() < 2 or len(answer) != len(rows) or answer.dtype != torch.float32:
        raise UserError(f"{takes} and answer float32, a row a row, not {answer.dtype} of shape {tuple(answer.shape)}")
    return Made(module, answer[0].numel(), rows._version > 0)
