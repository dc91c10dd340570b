"""The user's own parts, named as `package.module:Class`: they are located and hashed without being imported."""

import hashlib
import importlib.metadata
import pkgutil
import sys
import sysconfig
from collections.abc import Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from pipeline.errors import UserError


def add_to_path(project: Path) -> Path:
    """Add a project's folder to the module search path of this process and its workers."""
    if str(project) not in sys.path:
        sys.path.append(str(project))  # last, so that a project's file shadows no installed module
    return project


def part(path: str, arguments: Mapping[str, Any]) -> Any:
    """Import a class, or a function, and call it with keyword arguments.

    Raises:
        UserError: It is not found, or the call fails.
    """
    factory = named(path)
    try:
        return factory(**arguments)
    except Exception as error:
        raise UserError(f"'{path}' cannot be made with {dict(arguments)}: {first_line(error)}") from error


def named(path: str) -> Any:
    """Import the object of a path.

    >>> named("math:sqrt")(4.0)
    2.0

    Raises:
        UserError: It is not found.
    """
    try:
        return pkgutil.resolve_name(path)
    except Exception as error:  # a module can raise anything on import
        raise UserError(f"no module at '{path}' ({first_line(error)}): write package.module:Name") from error


def first_line(error: Exception) -> str:
    """The first line of an exception's message, or its type if it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def distribution(path: str) -> str | None:
    """The installed distribution of a module; None for a module in the project.

    Raises:
        UserError: The module is not found.
    """
    top = path.partition(":")[0].partition(".")[0]
    places = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    if places.isdisjoint(_origin(_specs(path)[0]).resolve().parents):
        return None
    return next(iter(importlib.metadata.packages_distributions().get(top, [])), top)


def files(path: str) -> dict[str, Path]:
    """The Python files of a module's top-level package or module, by path relative to its search path.

    Raises:
        UserError: The module is not found.
    """
    top = _specs(path)[0]
    if not top.submodule_search_locations:
        return {_origin(top).name: _origin(top)}
    folder = Path(next(iter(top.submodule_search_locations)))
    return {str(file.relative_to(folder.parent)): file for file in sorted(folder.rglob("*.py"))}


def fingerprint(path: str) -> str:
    """The version of a module's distribution, or a hash of its files if it is in the project.

    Raises:
        UserError: The module is not found.
    """
    if installed := distribution(path):
        return f"{installed} {importlib.metadata.version(installed)}"
    content = hashlib.sha256()
    for name, file in files(path).items():
        content.update(f"{name}\x1f{hashlib.sha256(file.read_bytes()).hexdigest()}\x1f".encode())
    return content.hexdigest()[:16]


def _specs(path: str) -> list[ModuleSpec]:
    """The specs of a module and all its parent packages, outermost first."""
    module, places, specs = path.partition(":")[0], None, []
    for name in _names(module):
        spec = PathFinder.find_spec(name, places)
        if spec is None:
            raise UserError(
                f"there is no module '{module}' for '{path}': put its file into the project's folder or install it"
            )
        specs.append(spec)
        places = list(spec.submodule_search_locations or [])
    return specs


def _names(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _origin(spec: ModuleSpec) -> Path:
    """A module's file, or the folder of a package without one."""
    if spec.origin is not None:
        return Path(spec.origin)
    return Path(next(iter(spec.submodule_search_locations or ["."])))
