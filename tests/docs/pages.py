"""The pages of the manual, with README and the other pages of the repository's root, and their blocks of code."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")], key=lambda page: str(page.relative_to(REPOSITORY)))


# What a script left running ends with it: it would keep the script's output open.
_ENDS = "trap 'for it in $(jobs -p); do kill -- -$it 2>/dev/null || true; done' EXIT"


def blocks(text: str) -> list[tuple[str, str]]:
    """The language and the text of each block of code."""
    return re.findall(r"^```([\w-]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def blocks_of(page: Path, language: str) -> list[str]:
    """The blocks of a page in a language."""
    return [block for name, block in blocks(page.read_text(encoding="utf-8")) if name == language]


def environment() -> dict[str, str]:
    """The environment of a program that has this repository's `headway`."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }


def run_script(script: str, folder: Path, timeout: int = 900) -> str:
    """Run a page's commands in a project; their output.

    Raises:
        AssertionError: A command failed; the message is what was written to stderr.
    """
    done = subprocess.run(
        ["bash", "-c", f"{_ENDS}\nset -em\n{script}"],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
