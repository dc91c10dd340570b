"""Modules of the user's own are found without being imported, and whatever changes in them is seen."""

import sys
from pathlib import Path

import pytest
import torch

from pipeline.errors import UserError
from pipeline.plugins import add_to_path, distribution, files, fingerprint


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package that cannot be imported, and a module beside it."""
    (tmp_path / "plug_parts" / "deep").mkdir(parents=True)
    for name in ("plug_parts/__init__.py", "plug_parts/deep/__init__.py", "plug_parts/deep/net.py", "plug_alone.py"):
        (tmp_path / name).write_text("raise RuntimeError('imported')\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    add_to_path(tmp_path)
    return tmp_path


def test_the_files_are_those_of_the_whole_package_or_of_the_one_module(project: Path) -> None:
    assert list(files("plug_parts.deep.net:Net")) == [
        "plug_parts/__init__.py", "plug_parts/deep/__init__.py", "plug_parts/deep/net.py"
    ]  # fmt: skip
    assert files("plug_alone:Net") == {"plug_alone.py": project / "plug_alone.py"}
    assert distribution("plug_parts.deep.net:Net") is None


def test_the_fingerprint_changes_with_any_file_of_the_package_and_with_nothing_else(project: Path) -> None:
    before = fingerprint("plug_parts.deep.net:Net")
    (project / "plug_alone.py").write_text("")
    assert fingerprint("plug_parts.deep.net:Net") == before
    (project / "plug_parts" / "__init__.py").write_text("x = 1\n")
    assert fingerprint("plug_parts.deep.net:Net") != before


def test_an_installed_module_is_known_by_its_version() -> None:
    assert distribution("torch.nn:Linear") == "torch"
    assert fingerprint("torch.nn:Linear") == f"torch {torch.__version__.split('+')[0]}" or "+" in torch.__version__


@pytest.mark.parametrize("path", ["no_such_thing:Net", "plug_parts.no_such_thing:Net", "plug_alone.deeper:Net"])
def test_what_is_not_there_is_said_in_one_line(project: Path, path: str) -> None:
    with pytest.raises(UserError, match=f"^there is no module '.*' for '{path}': put its file into the project's"):
        fingerprint(path)


def test_the_projects_folder_is_looked_in_once_and_last(project: Path) -> None:
    assert add_to_path(project) == project
    assert sys.path.count(str(project)) == 1
    assert sys.path[-1] == str(project)
