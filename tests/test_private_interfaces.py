"""Private interfaces of torch and Optuna: each is used in one file, and was tried with the versions named here.

Where one of them changes, its file is what has to follow; the tests of that file say whether it does.
"""

import ast
import importlib
import tomllib
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from .conftest import REPOSITORY

TRIED = {"torch": ("2.11", "2.15"), "optuna": ("5.0", "5.0")}
"""The first and the last release of each with which all tests passed."""

USED_IN = {
    "torch._foreach_copy_": "model/layers/call.py",
    "torch._foreach_zero_": "model/layers/call.py",
    "torch._fused_adam_": "training/optim/per_slot.py",
    "torch._fused_adamw_": "training/optim/per_slot.py",
    "torch._fused_sgd_": "training/optim/per_slot.py",
    "torch.cpu._is_amx_tile_supported": "model/layers/rounding.py",
    "torch.nn.modules.batchnorm._BatchNorm": "model/layers/wrapped.py",
    "torch.ops.aten._softmax_backward_data": "model/layers/gates.py",
    "torch.utils._python_dispatch": "studies/compare/step_cost.py",
    "torch.utils._pytree": "studies/compare/step_cost.py",
}

OF_OPTUNA = {
    "RDBStorage._backend": "tuning/writer.py",
    "Study._storage": "tuning/writer.py",
    "FrozenTrial._trial_id": "tuning/writer.py",
    "RDBStorage._create_new_trial": "tuning/database.py",
    "RDBStorage._get_trials": "tuning/database.py",
    "optuna.storages._rdb": "tuning/database.py",
    "QMCSampler._find_sample_id": "tuning/samplers.py",
}
"""Attributes by their class, and modules."""


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


def private_of_optuna(tree: ast.Module) -> set[str]:
    """Private attributes of other objects than `self`, methods that override some, and private modules of Optuna."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and "optuna." in (node.module or "") and "._" in f".{node.module}":
            found.add(".".join(str(node.module).split(".")[:3]))
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)  # a name for getattr
    return found


def test_each_private_interface_of_optuna_is_used_in_one_place() -> None:
    names = {name if name.startswith("optuna") else name.rpartition(".")[2]: file for name, file in OF_OPTUNA.items()}
    found = {
        (name, str(path.relative_to(REPOSITORY / "pipeline")))
        for path in sorted((REPOSITORY / "pipeline").rglob("*.py"))
        for name in private_of_optuna(ast.parse(path.read_text()))
        if name in names or name.startswith("optuna.storages._") or name.startswith("optuna.samplers._")
    }
    assert found == set(names.items())


def test_this_release_of_optuna_has_what_is_private() -> None:
    from optuna.samplers import QMCSampler
    from optuna.storages import RDBStorage
    from optuna.storages._rdb import models
    from optuna.study import create_study
    from optuna.trial import create_trial

    study = create_study(storage="sqlite://")
    study.add_trial(create_trial(value=1.0))
    assert isinstance(getattr(study._storage, "_backend", study._storage), RDBStorage)
    assert isinstance(study.trials[0]._trial_id, int)
    assert hasattr(QMCSampler, "_find_sample_id")
    assert all(hasattr(RDBStorage, name) for name in ("_create_new_trial", "_get_trials", "_get_prepared_new_trial"))
    assert {"trial_id", "step", "intermediate_value", "intermediate_value_type"} <= {
        it.name for it in models.TrialIntermediateValueModel.__table__.columns
    }
    assert {"trial_id", "key", "value_json"} <= {it.name for it in models.TrialUserAttributeModel.__table__.columns}
    assert {"study_id", "key", "value_json"} <= {it.name for it in models.StudySystemAttributeModel.__table__.columns}


@pytest.mark.parametrize("package", TRIED)
def test_the_admitted_releases_begin_where_they_were_tried(package: str) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert any(it.startswith(f"{package}>={TRIED[package][0]}") for it in project["dependencies"])


@pytest.mark.parametrize("package", TRIED)
def test_this_release_was_tried(package: str) -> None:
    first, last = TRIED[package]
    assert release(first) <= release(version(package)) <= release(last), "run all tests and extend TRIED"


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
