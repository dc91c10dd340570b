import ast
from pathlib import Path

import pytest

from pipeline.data.prepare import prepare
from pipeline.data.prepared import open_prepared
from pipeline.data.test_split import open_test_split

from .files import experiment, place, quiet

ROOT = Path(__file__).parents[2]


def importers(wanted: str) -> set[str]:
    """Files of the package that import a module, or a name `module.name`, in any way."""
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / "pipeline").rglob("*.py")
        if wanted in imported(ast.parse(path.read_text(encoding="utf-8")))
    }


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)  # importlib.import_module("...")
    return names


@pytest.mark.parametrize(
    "code",
    [
        "import pipeline.data.test_split",
        "from pipeline.data import test_split",
        "from pipeline.data.test_split import open_test_split",
        "def f():\n    import_module('pipeline.data.test_split')",
    ],
)
def test_every_way_to_import_is_seen(code):
    assert "pipeline.data.test_split" in imported(ast.parse(code))


def test_the_test_split_is_imported_by_evaluate_alone():
    assert importers("pipeline.data.test_split") <= {"pipeline/steps/evaluate.py"}


def test_what_opens_any_split_is_imported_by_the_test_split_alone():
    assert importers("pipeline.data.prepared.open_split") == {"pipeline/data/test_split.py"}


def test_the_test_split_holds_the_test_rows(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    tasks = {"digit": {"kind": "multiclass", "source": "digits"}}
    manifest = prepare(experiment(tasks), place(tmp_path), out, quiet)
    rows = open_test_split(open_prepared(out)).rows
    assert len(rows.inputs["digits"]) == len(rows.labels["digit"]) == manifest["sources"]["digits"]["rows"]["test"]
