"""Private interfaces of torch: each is used in one file, and was tried with the versions named here.

Where one of them changes, its file is what has to follow; the tests of that file say whether it does.
"""

import ast
import importlib
import tomllib
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from .conftest import REPOSITORY

TRIED = ("2.11", "2.15")
"""The first and the last release of torch with which all tests passed."""

USED_IN = {
    "torch._foreach_copy_": "model/layers/call.py",
    "torch._foreach_zero_": "model/layers/call.py",
    "torch._fused_adam_": "training/optim/per_slot.py",
    "torch._fused_adamw_": "training/optim/per_slot.py",
    "torch._fused_sgd_": "training/optim/per_slot.py",
    "torch.cpu._is_amx_tile_supported": "model/layers/rounding.py",
    "torch.nn.modules.batchnorm._BatchNorm": "model/layers/wrapped.py",
    "torch.ops.aten._softmax_backward_data": "model/layers/gates.py",
    "torch.utils._python_dispatch": "analysis/step_cost.py",
    "torch.utils._pytree": "analysis/step_cost.py",
}


def private_of_torch(tree: ast.Module) -> Iterator[str]:
    """Names that lead from torch through one that begins with an underscore."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]  # of a call's result too, which is no name
        for name in names:
            parts = name.split(".")
            private = [place for place, part in enumerate(parts) if part.startswith("_") and not part.endswith("__")]
            if parts[0] == "torch" and private and all(map(str.isidentifier, parts)):
                yield ".".join(parts[: private[0] + 1])


def release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("+")[0].split(".")[:2])


def test_each_private_interface_of_torch_is_used_in_one_place() -> None:
    files = sorted((REPOSITORY / "pipeline").rglob("*.py"))
    found = {
        (name, str(path.relative_to(REPOSITORY / "pipeline")))
        for path in files
        for name in private_of_torch(ast.parse(path.read_text()))
    }
    assert found == set(USED_IN.items())


def test_the_admitted_releases_of_torch_begin_where_it_was_tried() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert f"torch>={TRIED[0]}" in project["dependencies"]


def test_this_release_of_torch_was_tried() -> None:
    assert release(TRIED[0]) <= release(version("torch")) <= release(TRIED[1]), "run all tests and extend TRIED"


@pytest.mark.parametrize("name", USED_IN)
def test_this_release_of_torch_has_it(name: str) -> None:
    found = importlib.import_module("torch")
    for part in name.split(".")[1:]:
        if not hasattr(found, part):
            importlib.import_module(f"{found.__name__}.{part}")
        found = getattr(found, part)


def test_what_is_private_is_found() -> None:
    code = "import torch\nfrom torch._C import a\ntorch.cuda._lazy_init()\ntorch.__version__\nself._torch"
    assert list(private_of_torch(ast.parse(code))) == ["torch._C", "torch.cuda._lazy_init"]
