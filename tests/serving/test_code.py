"""The code in a package is whole, and only what its network needs."""

import subprocess
import sys
from pathlib import Path

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


IMPORT = """
import importlib, sys
sys.modules["pipeline"] = None
for folder, *modules in (line.split() for line in sys.stdin):
    sys.path.insert(0, folder)
    for module in modules:
        importlib.import_module(module)
"""


def copied(folder: Path, model: str) -> tuple[str, list[str]]:
    """The name of the copy, and its modules."""
    folder.mkdir(exist_ok=True)
    spec, _ = one_slot(save(folder, experiment(PREPARED, **MODELS[model])), SLOTS[0])
    name, code = copy_ours(spec, folder / "code"), folder / "code"
    files = sorted(code.rglob("*.py"))
    return name, [".".join(path.relative_to(code).with_suffix("").parts).removesuffix(".__init__") for path in files]


def test_all_that_is_imported_is_there(tmp_path: Path) -> None:
    found = {tmp_path / model / "code": copied(tmp_path / model, model)[1] for model in MODELS}
    lines = "\n".join(f"{folder} {' '.join(modules)}" for folder, modules in found.items())
    done = subprocess.run([sys.executable, "-I", "-c", IMPORT], input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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
