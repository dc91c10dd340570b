"""The house keeps its shape: imports run one way, and only some may see mlflow or the test split."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import REPOSITORY

# A package may import those on later lines only.
LAYERS = [
    {"__main__"},
    {"cli"},
    {"commands"},
    {"drafts"},
    {"testing"},
    {"steps"},
    {"tuning", "analysis"},
    {"training"},
    {"serving"},
    {"balance", "model", "data"},
    {"config"},
    {"stacked"},
    {"pretrained"},
    {"draws", "lifetime", "pace", "plugins", "sqlite", "user_cache"},
    {"errors"},
]
SELDOM = {"captum", "rich", "sklearn", "tokenizers", "torchmetrics", "torchvision", "transformers"}
TRACKING_IS_USED_BY = {"cli", "commands", "steps", "tuning", "serving"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((REPOSITORY / "pipeline").rglob("*.py")):
        yield path.relative_to(REPOSITORY), ast.parse(path.read_text())


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
                    "sqlite",
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


@pytest.mark.parametrize("path", [path for path, _ in modules()], ids=str)
def test_no_file_is_longer_than_350_lines(path: Path) -> None:
    assert len((REPOSITORY / path).read_text().splitlines()) <= 350
