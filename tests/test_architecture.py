"""The house keeps its shape: imports run one way, and only some may see mlflow or the test split."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal

import pytest

from .conftest import REPOSITORY

# A package may import those on later lines only.
LAYERS = [
    {"__main__"},
    {"cli"},
    {"commands"},
    {"drafts"},
    {"testing"},
    {"studies"},
    {"steps"},
    {"reports"},
    {"tuning", "analysis"},
    {"training"},
    {"serving"},
    {"balance", "model", "data"},
    {"kinds"},
    {"config"},
    {"stacked"},
    {"pretrained"},
    {
        "deadline",
        "draws",
        "files",
        "garbage_collection",
        "machine",
        "main_module",
        "parent_process",
        "plugins",
        "printable",
        "sqlite",
        "store_keys",
        "throttle",
        "urls",
    },
    {"user_cache"},
    {"errors"},
]
SELDOM = {"captum", "rich", "sklearn", "tokenizers", "torchmetrics", "torchvision", "transformers"}
TRACKING_IS_USED_BY = {"cli", "commands", "studies", "steps", "tuning", "serving"}


@cache
def modules() -> Sequence[tuple[Path, ast.Module]]:
    paths = sorted((REPOSITORY / "pipeline").rglob("*.py"))
    return [(path.relative_to(REPOSITORY), ast.parse(path.read_text())) for path in paths]


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def owner(path: Path) -> str:
    return path.parts[1].removesuffix(".py")


def rank(package: str) -> int:
    return next(place for place, layer in enumerate(LAYERS) if package in layer)


def test_imports_run_one_way() -> None:
    wrong = []
    for path, tree in modules():
        here = owner(path)
        if here in ("tracking", "__init__"):
            continue
        for name in imported(tree):
            parts = name.split(".")
            if parts[0] != "pipeline" or len(parts) == 1 or parts[1] in (here, "tracking"):
                continue
            if rank(parts[1]) <= rank(here):
                wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_headway_imports_pipeline_and_nothing_imports_headway() -> None:
    """It is the face of the package, and no part of it."""
    for path, tree in modules():
        assert not [name for name in imported(tree) if name.split(".")[0] == "headway"], path
    face = [ast.parse(path.read_text()) for path in (REPOSITORY / "headway").rglob("*.py")]
    ours = {name.split(".")[1] for tree in face for name in imported(tree) if name.startswith("pipeline.")}
    assert ours
    assert not {name for tree in face for name in imported(tree) if name.split(".")[0] == "mlflow"}


def test_tracking_is_used_by_steps_and_above_and_imports_nothing_of_them() -> None:
    for path, tree in modules():
        here = owner(path)
        for name in imported(tree):
            parts = [*name.split("."), ""]
            if parts[0] == "pipeline" and parts[1] == "tracking" and here != "tracking":
                assert here in TRACKING_IS_USED_BY, f"{path} imports {name}"
            if here == "tracking" and parts[0] == "pipeline":
                assert parts[1] in (
                    "tracking",
                    "errors",
                    "printable",
                    "sqlite",
                    "store_keys",
                    "urls",
                    "user_cache",
                    "",
                ), f"{path} imports {name}"


def test_only_tracking_and_serving_import_mlflow() -> None:
    for path, tree in modules():
        if owner(path) not in ("tracking", "serving"):
            assert not [name for name in imported(tree) if name.split(".")[0] == "mlflow"], path


def test_what_is_seldom_needed_and_slow_is_imported_where_it_is_used() -> None:
    for path, tree in modules():
        top = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        assert not SELDOM & {name.split(".")[0] for name in imported(top)}, path


When = Literal["at import", "in a function", "for types"]
"""When an import is done; one for types (under TYPE_CHECKING) never is."""


def files_imported(tree: ast.AST, files: Iterable[str], when: When = "at import") -> Iterator[tuple[str, When]]:
    """The files of ours that a file names in its imports; `from package import name` names the package's own file."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from files_imported(ast.Module(node.body, []), files, "for types")
            yield from files_imported(ast.Module(node.orelse, []), files, when)
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, when) for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield from ((it, when) for it in [name if name in files else node.module] if it in files)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from files_imported(node, files, "in a function" if is_function and when == "at import" else when)


@cache
def files() -> Mapping[str, ast.Module]:
    """Every file by its dotted name; a package's `__init__.py` by that of the package."""
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): tree for path, tree in modules()}


def cycles(imports: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """Files that import each other; one cycle of several that share a file."""
    left, found = {name: set(others) for name, others in imports.items()}, set()
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            names = error.args[1]
            found.add(frozenset(names))
            for name in names:
                left[name] -= {*names}
        else:
            return found


def test_a_cycle_is_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d", "a"}}) == {frozenset("bc"), frozenset("d")}
    assert cycles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == set()


@pytest.mark.parametrize("when", [("at import",), ("at import", "in a function", "for types")], ids=["first", "ever"])
def test_no_files_import_each_other(when: tuple[When, ...]) -> None:
    imports = defaultdict(set)
    for name, tree in files().items():
        imports[name] = {other for other, at in files_imported(tree, files()) if at in when}
    assert cycles(imports) == set()


def test_what_a_package_offers_is_imported_from_the_package() -> None:
    """Not from the file within it that has it; the package's own files may."""
    offered = {
        name: {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
        for name, tree in files().items()
    }
    wrong = []
    for name, tree in files().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in files():
                package = node.module.rpartition(".")[0]
                while package.count("."):
                    if not f"{name}.".startswith(f"{package}."):
                        hidden = {alias.name for alias in node.names} & offered.get(package, set())
                        wrong += [f"{name}: from {node.module} import {it}: {package} offers it" for it in hidden]
                    package = package.rpartition(".")[0]
    assert wrong == []


def test_what_a_file_keeps_to_itself_is_imported_by_no_other() -> None:
    wrong = [
        f"{path} imports {alias.name}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert wrong == []
