"""Spawned processes do not run the main program again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PROGRAM = """
import multiprocessing, sys
sys.path.insert(0, {repository!r})
from pipeline.main_module import without_main

print("main")
context = multiprocessing.get_context("spawn")
process = context.Process(target=print, args=("child",))
with without_main():
    process.start()
process.join()
print(process.exitcode, sys.modules["__main__"].__dict__ is globals())
"""


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_the_program_runs_once(tmp_path: Path, way: str) -> None:
    program = PROGRAM.format(repository=str(REPOSITORY))
    (tmp_path / "program.py").write_text(program)
    words = ["program.py"] if way == "file" else ["-"]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, input=program, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["0 True", "child", "main"]
