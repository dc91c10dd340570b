"""Where exported models may be written."""

import sys
from pathlib import Path

import pytest

from pipeline.errors import Failure, UserError
from pipeline.serving.export.outputs import check_file, check_folder


@pytest.mark.parametrize(
    ("form", "name", "line"),
    [
        ("onnx", "m.txt", "--onnx .*m.txt: its name must end in .onnx"),
        ("pt2", "m.onnx", "its name must end in .pt2"),
        ("onnx", "no/m.onnx", "no folder .*; make it first"),
        ("onnx", "folder.onnx", "is a folder; name a file"),
    ],
)
def test_files_that_cannot_be_written_are_refused_first(form: str, name: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(UserError, match=line):
        check_file(form, tmp_path / name)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(Failure, match=r"needs the package onnxscript: pip install 'headway\[onnx\]'"):
        check_file("onnx", tmp_path / "m.onnx")
    check_file("pt2", tmp_path / "m.pt2")


def test_a_folder_for_docker_is_new_or_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    check_folder(tmp_path / "new")
    check_folder(tmp_path / "empty")
    for name, line in (("full", "is there already"), ("full/file", "is there already"), ("no/new", "no folder")):
        with pytest.raises(UserError, match=line):
            check_folder(tmp_path / name)
