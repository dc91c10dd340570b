"""The user's own parts, named as `package.module:Class`: they are located and hashed without being imported.

They are imported when a step needs them, and only a class of the expected kind is ever called. So an experiment or a
model that somebody else wrote can name no function of the standard library or of an installed package to be run.
"""

import hashlib
import importlib.metadata
import pkgutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any, cast

from pipeline.errors import UserError

_OURS = __name__.partition(".")[0]  # in a model package, the copy of this one
_WHERE = "parts of your own are in the project's folder or in an installed package"


_may_import = True


class NotImportedError(UserError):
    """A part of the user's own would have to be imported within `only_looking`."""


@contextmanager
def only_looking() -> Iterator[None]:
    """Import nothing of the user's own: for commands that say what would be done."""
    global _may_import
    _may_import = False
    try:
        yield
    finally:
        _may_import = True


def add_to_path(project: Path) -> Path:
    """Add a project's folder to the module search path of this process and its workers."""
    if str(project) not in sys.path:
        sys.path.append(str(project))  # last, so that a project's file shadows no installed module
    return project


def part(path: str, arguments: Mapping[str, Any], like: type | str) -> Any:
    """Make an object of a class of the user's own, see `own_class`, with keyword arguments.

    Raises:
        UserError: It is no such class, or the call fails.
    """
    return made(path, own_class(path, like), arguments)


def made(path: str, factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call what a path names with keyword arguments.

    Raises:
        UserError: The call fails.
    """
    try:
        return factory(**arguments)
    except Exception as error:
        raise UserError(f"'{path}' cannot be made with {dict(arguments)}: {first_line(error)}") from error


def own_class(path: str, like: type | str) -> type[Any]:
    """Import a class of the user's own; it is looked at, and not called.

    Args:
        path: Of the class, `package.module:Class`.
        like: The class that it derives from, or the name of an attribute that it has, such as `rows`.

    Raises:
        UserError: It is not found, or is no such class.
    """
    found = own(path)
    if isinstance(like, str):
        fits, wanted = isinstance(found, type) and any(like in vars(it) for it in found.__mro__), f"with {like}"
    else:
        fits, wanted = isinstance(found, type) and issubclass(found, like), f"derived from {_full_name(like)}"
    if not fits:
        raise UserError(f"'{path}' is {_said(found)}: it should be a class {wanted}")
    return cast(type[Any], found)


def own(path: str) -> Any:
    """Import what a path of the user's own names: something that the package or module at its top defines itself.

    Raises:
        UserError: It is not found, is of the standard library, or is defined elsewhere.
    """
    top = _top(path)
    if not is_ours(path):  # which need not be found by the path: it is here
        _specs(path)
        if not _may_import:
            raise NotImportedError(f"'{path}' is not imported by a command that only shows")
    found = named(path)
    if _top(str(getattr(found, "__module__", ""))) != top:
        raise UserError(f"'{path}' is {_said(found)}, not defined in '{top}': name it where it is defined")
    return found


def is_ours(path: str) -> bool:
    """Whether a path is of this package itself."""
    return _top(path) == _OURS


def named(path: str) -> Any:
    """Import the object of a path that this package gives itself; those of users are for `own`.

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
    if not _lies_in(_specs(path)[0], "purelib", "platlib"):
        return None
    return next(iter(importlib.metadata.packages_distributions().get(_top(path), [])), _top(path))


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
    if _top(path) in sys.stdlib_module_names:
        raise UserError(f"'{path}' is of Python's standard library: {_WHERE}")
    for name in _names(module):
        spec = PathFinder.find_spec(name, places)
        if spec is None:
            raise UserError(
                f"there is no module '{module}' for '{path}': put its file into the project's folder or install it"
            )
        specs.append(spec)
        places = list(spec.submodule_search_locations or [])
    if _lies_in(specs[0], "stdlib", "platstdlib") and not _lies_in(specs[0], "purelib", "platlib"):
        raise UserError(f"'{path}' is of Python's standard library: {_WHERE}")  # such as its tests, which have no name
    return specs


def _lies_in(spec: ModuleSpec, *places: str) -> bool:
    """Whether a module lies in one of the places of this Python installation, see `sysconfig`."""
    folders = {Path(sysconfig.get_path(place)).resolve() for place in places}
    return not folders.isdisjoint(_origin(spec).resolve().parents)


def _top(path: str) -> str:
    """The top-level package or module of a path."""
    return path.partition(":")[0].partition(".")[0]


def _said(found: Any) -> str:
    """What an object is, for messages."""
    if isinstance(found, type | FunctionType | BuiltinFunctionType):
        return f"{'a class' if isinstance(found, type) else 'a function'}, {_full_name(found)}"
    return f"a {type(found).__name__}"


def _full_name(found: Any) -> str:
    return f"{found.__module__}.{found.__qualname__}"


def _names(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _origin(spec: ModuleSpec) -> Path:
    """A module's file, or the folder of a package without one."""
    if spec.origin is not None:
        return Path(spec.origin)
    return Path(next(iter(spec.submodule_search_locations or ["."])))
