"""What `import headway` costs, offers, and says where something hides it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import headway
from headway.hidden import check_not_hidden, leave_working_directory
from tests.conftest import REPOSITORY

MOST_S = 0.1


def python(program: str, folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Run a program in a process and folder of its own."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *(words or ("-c", program))]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_import_takes_no_library_and_little_time(tmp_path: Path) -> None:
    program = (
        "import sys, time\nbefore = {*sys.modules}\nstart = time.process_time()\nimport headway\n"
        "print(time.process_time() - start)\n"
        "print(*sorted({it.split('.')[0] for it in {*sys.modules} - before} - sys.stdlib_module_names))"
    )
    seconds, modules = python(program, tmp_path).stdout.splitlines()
    assert float(seconds) < MOST_S
    assert modules == "headway"


def test_all_that_is_offered_is_there() -> None:
    assert {*headway.__all__} <= {*dir(headway)}
    for name in headway.__all__:
        assert getattr(headway, name) is not None, name
    with pytest.raises(AttributeError, match="no attribute 'Experimnt'; it has Experiment"):
        headway.Experimnt  # noqa: B018


def test_one_line_says_what_hides_the_package(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("def mine(): pass\n")
    said = f"{tmp_path / 'pipeline.py'} hides the package 'pipeline' that headway is made of: rename it"
    for program in ("import headway; headway.Model", "import pipeline, headway; headway.Model"):
        ended = python(program, tmp_path)
        assert ended.stderr.splitlines()[-1].startswith(f"ImportError: {said}")
    command = "import sys; sys.argv = ['headway', 'list']\nfrom headway.__main__ import main; main()"
    ended = python(command, tmp_path)
    assert (ended.returncode, ended.stderr) == (2, f"headway: {said}, or start Python elsewhere\n")


def test_a_folder_without_init_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    assert python("import headway; headway.Failure", tmp_path).returncode == 0


def test_the_command_works_beside_a_file_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text("raise SystemExit('mine')\n")
    ended = python("", tmp_path, "-m", "headway", "list")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "debug" in ended.stdout


def test_modules_are_still_found_where_headway_lies_in_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "path", [str(REPOSITORY), *sys.path])
    leave_working_directory()
    assert sys.path[0] == str(REPOSITORY)
    check_not_hidden()
