"""What a model package may name, looked at in its files before anything of it is imported.

The modules of its network are classes that its own code defines, or a distribution that its requirements list. So a
changed `spec.json` runs nothing that whoever logged the model did not put into its code, which is what one trusts.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from pipeline.errors import UserError
from pipeline.model.layers.module import TORCHVISION
from pipeline.plugins import distribution, own_class
from pipeline.serving.code import is_ours
from pipeline.serving.specification import Specification

_PATHS = ("code", "data")  # of `model_code_path` MLflow takes the name alone
_CLASS = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


def check_trusted(uri: str, package: Path, flavor: Mapping[str, Any]) -> None:
    """Check that a package names only files and classes of its own.

    Args:
        uri: Of the model, for messages.
        package: Its folder.
        flavor: What its `MLmodel` says of MLflow's `python_function`.

    Raises:
        UserError: It names something else.
    """
    artifacts = {name: str(it.get("path")) for name, it in (flavor.get("artifacts") or {}).items()}
    for name in (*(str(flavor[key]) for key in _PATHS if flavor.get(key)), *artifacts.values()):
        if not (package / name).resolve().is_relative_to(package.resolve()):
            raise UserError(f"{uri} names the file {name}, which lies outside of it: log the model again")
    if "spec" not in artifacts:
        return  # none of Headway's
    try:
        spec = Specification.of(json.loads((package / artifacts["spec"]).read_text(encoding="utf-8")))
        modules = [str(it["module"]) for it in spec.layers if it["kind"] == "module"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{uri}: its spec.json cannot be read ({type(error).__name__}): log the model again") from error
    code = package / str(flavor.get("code") or "code")
    if spec.code and not (spec.code.isidentifier() and (code / spec.code).is_dir()):
        raise UserError(f"{uri} names the code '{spec.code}', which it does not hold: log the model again")
    for module in modules:
        if not _is_its_own(module, spec.code, code, package):
            raise UserError(
                f"{uri} names '{module}', which is no class in its own code, nor of a package that its requirements "
                "list: it was changed after it was logged"
            )


def _is_its_own(path: str, ours: str, code: Path, package: Path) -> bool:
    """Whether the package itself holds the class that a module of its network is made of, or requires it."""
    if path == TORCHVISION:
        return True
    if not (found := _CLASS.fullmatch(path)):
        return False
    module, name = found[1], found[2]
    if is_ours(path):
        module = ".".join([ours, *module.split(".")[1:]])
    if (code / module.split(".")[0]).exists() or (code / f"{module.split('.')[0]}.py").exists():
        return _defines(code, module, name)
    try:
        return distribution(path) in set(_requirements(package)) and bool(own_class(path, nn.Module))
    except UserError:  # of the standard library, not installed, or no such class
        return False


def _defines(code: Path, module: str, name: str, hops: int = 8) -> bool:
    """Whether a module in a folder defines a class, or imports it from one there that does."""
    stem = code.joinpath(*module.split("."))
    file = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    try:
        statements = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return False
    if any(isinstance(it, ast.ClassDef) and it.name == name for it in statements):
        return True
    inside = module if stem.is_dir() else module.rpartition(".")[0]
    imports = (
        (".".join(filter(None, (_above(inside, it.level) if it.level else "", it.module))), alias.name)
        for it in statements
        if isinstance(it, ast.ImportFrom)
        for alias in it.names
        if (alias.asname or alias.name) == name
    )
    return hops > 0 and any(_defines(code, source, original, hops - 1) for source, original in imports if source)


def _above(package: str, level: int) -> str:
    """The package that a relative import with so many dots begins at."""
    parts = package.split(".")
    return ".".join(parts[: len(parts) + 1 - level])


def _requirements(package: Path) -> Iterator[str]:
    """Names of the distributions that a package requires."""
    file = package / "requirements.txt"
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        if found := re.match(r"[\w.-]+", line):
            yield found[0]
