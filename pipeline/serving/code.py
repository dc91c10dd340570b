"""The code that a model package carries: the modules that make its network, under a name of their own.

Its name ends in a hash of them, so several models in one process have each its own, and models of one version share it.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from pipeline.kinds import kind_of
from pipeline.model.layers.plain import KINDS
from pipeline.plugins import files
from pipeline.serving.specification import Specification

_PACKAGE = Path(__file__).parents[1]
_OURS = _PACKAGE.name
_IMPORTED = re.compile(rf"^from ({_OURS}\.[\w.]+) import (\w*)", re.MULTILINE)
_IMPORT = re.compile(rf"^(\s*(?:from|import) ){_OURS}\b", re.MULTILINE)


def is_ours(module: str) -> bool:
    """Whether a module `package.module:Name` is one of this package."""
    return module.startswith(f"{_OURS}.")


def copy_ours(spec: Specification, folder: Path) -> str:
    """Copy what serves this model, and what that imports, with its imports renamed.

    Returns:
        The name of the copy, a package in the folder.
    """
    layers = list(spec.layers)
    modules = {f"{_OURS}.serving.served"}
    modules |= {f"{_OURS}.model.layers.{KINDS[it['kind']].partition(':')[0]}" for it in layers}
    modules |= {path.partition(":")[0] for it in layers if (path := it.get("module")) and is_ours(path)}
    for name in {it.kind for it in spec.tasks.values()}:
        modules |= {f"{_OURS}.kinds.{name}", f"{_OURS}.{kind_of(name).decision.partition(':')[0]}"}
    sources = _with_imports(modules)
    content = "".join(f"{module}\x1f{source}\x1f" for module, source in sources.items())
    name = f"headway_{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    for module, source in sources.items():
        path = _file(folder / name, module)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_IMPORT.sub(rf"\g<1>{name}", source), encoding="utf-8")
    for inner in (folder / name, *(path for path in (folder / name).rglob("*") if path.is_dir())):
        (inner / "__init__.py").touch()  # empty where nothing is imported from it
    return name


def copy_own(modules: Iterable[str], folder: Path) -> None:
    """Copy the packages of modules of the user's own to where modules are looked for."""
    for module in modules:
        for name, file in files(module).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / name)


def _with_imports(modules: Iterable[str]) -> dict[str, str]:
    """The sources of modules, and of those of this package that they import when they are imported, by name."""
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _file(_PACKAGE, name)).is_file():
            found[name] = path.read_text(encoding="utf-8")
            waiting += [it for module, inner in _IMPORTED.findall(found[name]) for it in (module, f"{module}.{inner}")]
    return dict(sorted(found.items()))


def _file(package: Path, module: str) -> Path:
    """Where a module of this package lies, in it or in a copy of it."""
    inner = Path(*module.split(".")[1:])
    return package / inner / "__init__.py" if (_PACKAGE / inner).is_dir() else package / inner.with_suffix(".py")
