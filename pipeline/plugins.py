"""Parts of the user's own, named as `package.module:Class`: where they lie is found without importing anything."""

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
    """Let modules in a project's folder be found, in this process and in its workers."""
    if str(project) not in sys.path:
        sys.path.append(str(project))  # the last: a project's file hides nothing that is installed
    return project


def part(path: str, arguments: Mapping[str, Any]) -> Any:
    """What a class, or a function that makes it, makes of its arguments; its module is imported.

    Raises:
        UserError: It is not there, or cannot be made so.
    """
    maker = named(path)
    try:
        return maker(**arguments)
    except Exception as error:
        raise UserError(f"'{path}' cannot be made with {dict(arguments)}: {first_line(error)}") from error


def named(path: str) -> Any:
    """What a path names; its module is imported.

    Raises:
        UserError: It is not there.
    """
    try:
        return pkgutil.resolve_name(path)
    except Exception as error:  # whatever the module does when it is imported
        raise UserError(f"no module at '{path}' ({first_line(error)}): write package.module:Name") from error


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its kind."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def distribution(path: str) -> str | None:
    """The installed distribution that a module comes with, or None of one that lies with the project.

    Raises:
        UserError: It is not there.
    """
    top = path.partition(":")[0].partition(".")[0]
    places = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    if places.isdisjoint(_origin(_found(path)[0]).resolve().parents):
        return None
    return next(iter(importlib.metadata.packages_distributions().get(top, [])), top)


def files(path: str) -> dict[str, Path]:
    """The Python files of a module's top-level package, or its own one, by their path from where it is imported.

    Raises:
        UserError: It is not there.
    """
    top = _found(path)[0]
    if not top.submodule_search_locations:
        return {_origin(top).name: _origin(top)}
    folder = Path(next(iter(top.submodule_search_locations)))
    return {str(file.relative_to(folder.parent)): file for file in sorted(folder.rglob("*.py"))}


def fingerprint(path: str) -> str:
    """What changes when the code behind a module may have: a version, or a hash of its files.

    Raises:
        UserError: It is not there.
    """
    if installed := distribution(path):
        return f"{installed} {importlib.metadata.version(installed)}"
    content = hashlib.sha256()
    for name, file in files(path).items():
        content.update(f"{name}\x1f{hashlib.sha256(file.read_bytes()).hexdigest()}\x1f".encode())
    return content.hexdigest()[:16]


def _found(path: str) -> list[ModuleSpec]:
    """The specs of a module and all packages around it, outermost first."""
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
    """Its file, or of a package without one its folder."""
    if spec.origin is not None:
        return Path(spec.origin)
    return Path(next(iter(spec.submodule_search_locations or ["."])))
