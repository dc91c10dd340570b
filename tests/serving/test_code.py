"""The code in a package is whole, and only what its network needs."""

import ast
from pathlib import Path

import pytest

from pipeline.serving.code import copy_ours
from pipeline.serving.slots import one_slot
from tests.serving.packages import PREPARED, SLOTS, experiment, save

MODELS = {
    "mlp": {},
    "norms": {"trunk": {"norm": "batch_per_source"}},
    "own": {"trunk": {"kind": "torch.nn:Flatten"}},
    "mmoe": {"sharing": "mmoe"},
    "mtan": {"sharing": "mtan"},
}


def copied(folder: Path, model: str) -> tuple[str, set[str]]:
    """The name of the copy, and its modules."""
    folder.mkdir(exist_ok=True)
    spec, _ = one_slot(save(folder, experiment(PREPARED, **MODELS[model])), SLOTS[0])
    name = copy_ours(spec, folder / "code")
    files = (folder / "code").rglob("*.py")
    return name, {".".join(path.relative_to(folder / "code").with_suffix("").parts) for path in files}


@pytest.mark.parametrize("model", MODELS)
def test_all_that_is_imported_is_there(model: str, tmp_path: Path) -> None:
    name, modules = copied(tmp_path, model)
    for module in modules:
        tree = ast.parse(tmp_path.joinpath("code", *module.split(".")).with_suffix(".py").read_text())
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                top = node.module.split(".")[0]
                assert top != "pipeline"
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                assert top != name or node.module in modules or inner <= modules, (module, node.module)


def test_code_of_other_layers_is_not(tmp_path: Path) -> None:
    layers = {"attended", "mixtures", "norm", "wrapped"}
    found = {}
    for model in MODELS:
        _, modules = copied(tmp_path / model, model)
        found[model] = {name for name in layers if any(it.endswith(f"layers.{name}") for it in modules)}
    wanted = {"mlp": set(), "norms": {"norm"}, "own": {"wrapped"}, "mmoe": {"mixtures"}, "mtan": {"attended", "norm"}}
    assert found == wanted


def test_its_name_says_what_it_is(tmp_path: Path) -> None:
    names = [copied(tmp_path / str(place), model)[0] for place, model in enumerate(("mlp", "mlp", "norms"))]
    assert names[0] == names[1] != names[2]
    assert all(name.startswith("headway_") for name in names)
