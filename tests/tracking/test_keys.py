"""Keys follow what a result depends on, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.tracking import keys
from pipeline.tracking.keys import Key, code_of, difference
from tests.conftest import REPOSITORY


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of its own in place of this one."""
    folder = tmp_path / "pipeline"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "top.py").write_text(
        "from pipeline.deep import inner\n\ndef f():\n    from pipeline.late import g\n    return g()\n"
    )
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "deep" / "inner.py").write_text('"""Doc."""\nVALUE = 1  # one\n')
    (folder / "late.py").write_text("def g():\n    return 2\n")
    (folder / "apart.py").write_text("X = 1\n")
    monkeypatch.setattr(keys, "_PACKAGE", folder)
    return folder


def fresh(module: str) -> dict[str, str]:
    code_of.cache_clear()
    keys._parsed.cache_clear()
    return code_of(module)


@pytest.fixture(autouse=True)
def _clean() -> None:
    code_of.cache_clear()
    keys._parsed.cache_clear()


def test_code_is_every_module_that_is_imported_however_late(package: Path) -> None:
    assert set(fresh("pipeline.top")) == {
        "pipeline", "pipeline.top", "pipeline.deep", "pipeline.deep.inner", "pipeline.late"
    } - {"pipeline"}  # fmt: skip


def test_comments_docstrings_and_layout_change_no_key(package: Path) -> None:
    before = fresh("pipeline.top")
    (package / "deep" / "inner.py").write_text('"""Another."""\n\n\nVALUE = (\n    1\n)\n')
    assert fresh("pipeline.top") == before


def test_a_changed_value_changes_the_key_of_who_imports_it_only(package: Path) -> None:
    before, apart = fresh("pipeline.top"), fresh("pipeline.apart")
    (package / "deep" / "inner.py").write_text("VALUE = 2\n")
    after = fresh("pipeline.top")
    assert {name for name in before if before[name] != after[name]} == {"pipeline.deep.inner"}
    assert fresh("pipeline.apart") == apart


def test_the_digest_depends_on_every_part_and_not_on_their_order() -> None:
    assert Key({"a": 1, "b": {"c": 2}}).digest == Key({"b": {"c": 2}, "a": 1}).digest
    assert Key({"a": 1}).digest != Key({"a": 2}).digest
    assert len(Key({"a": 1}).digest) == 32


def test_the_difference_names_the_parts_that_changed() -> None:
    old, new = Key({"values": {"x": 1, "y": 2}, "gone": 1}), Key({"values": {"x": 1, "y": 3}, "come": True})
    assert difference(old.flat(), new.flat()) == [
        "come: (not there) -> true",
        "gone: 1 -> (not there)",
        "values / y: 2 -> 3",
    ]


def test_a_steps_key_is_made_without_importing_torch() -> None:
    program = (
        "import sys\nfrom pipeline.tracking.keys import code_of, versions\n"
        "assert 'pipeline.training.stack.stack' in code_of('pipeline.steps.train')\n"
        "assert versions()['torch']\n"
        "assert not {'torch', 'torchvision', 'mlflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True)
