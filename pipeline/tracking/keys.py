"""Keys: hashes of everything that a step's result depends on, computed without importing it.

A key's parts are the step's code (syntax trees of the modules that it imports from `pipeline`), the versions of the
numeric libraries, the values that it reads and that differ from the defaults, checksums of its data, and the keys of
its input steps.
"""

import ast
import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.tracking import syntax_cache

_PACKAGE = Path(__file__).parents[1]
_ROOT = _PACKAGE.name
_NUMERIC = ("torch", "numpy", "torchvision")


@dataclass(frozen=True)
class Key:
    """Everything that a result depends on.

    Attributes:
        parts: The parts as JSON-compatible values, nested by kind.
    """

    parts: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Hash of the parts, 32 hexadecimal digits."""
        return digest(self.parts)

    def flat(self) -> dict[str, str]:
        """All parts as text, by a path of names."""
        return dict(_leaves(self.parts, ""))


def digest(value: Any) -> str:
    """Hash of a JSON-compatible value, 32 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@functools.cache
def code_of(*modules: str) -> dict[str, str]:
    """Hashes of modules and of all modules of this package that they import, directly or not, by name."""
    hashes: dict[str, str] = {}
    pending = [*modules]
    while pending:
        name = pending.pop()
        path = _file(name) if name not in hashes else None
        if path is not None:
            hashes[name], imported = _parsed(path)
            pending += imported
    syntax_cache.save()
    return dict(sorted(hashes.items()))


def versions(*packages: str) -> dict[str, str]:
    """Versions of the numeric libraries and further packages, from their metadata."""
    return {name: _version(name) for name in (*_NUMERIC, *packages)}


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """One line per part that differs between two keys, given as `Key.flat`."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, "(not there)"), new.get(name, "(not there)")
        if before != after:
            lines.append(f"{name}: {before} -> {after}")
    return lines


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path} / {name}" if path else str(name))
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


_version = functools.cache(importlib.metadata.version)


@functools.cache
def _parsed(path: Path) -> syntax_cache.ParsedSource:
    """The hash of a module's syntax tree without docstrings, and the modules of this package that it imports."""
    digest, names = syntax_cache.cached(path.read_bytes(), _parse)
    return digest, tuple(name for name in names if _file(name))


def _parse(source: bytes) -> syntax_cache.ParsedSource:
    """The hash, and all names that may be modules of this package; whether they exist does not depend on the source."""
    tree = ast.parse(source)
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imported.update(_names(node))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16], tuple(sorted(imported))


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:]


def _names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Names that may be modules of this package; a name imported from a module may be a module itself."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.split(".")[0] == _ROOT)
    elif node.module and node.module.split(".")[0] == _ROOT:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(module: str) -> Path | None:
    path = _PACKAGE.parent.joinpath(*module.split("."))
    if path.is_dir():
        return path / "__init__.py"
    path = path.with_suffix(".py")
    return path if path.is_file() else None
