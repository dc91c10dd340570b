"""YAML with comments, as a person would write it."""

import os
from collections.abc import Iterable
from pathlib import Path

import yaml

_COMMENT = 44  # column at which comments begin where there is room
_WIDTH = 120


def scalar(value: str) -> str:
    """A text as YAML writes it: quoted where it must be."""
    return yaml.safe_dump(value, width=10_000, allow_unicode=True).removesuffix("\n").removesuffix("\n...")


def line(text: str, comment: str = "") -> str:
    """A line with its comment behind it."""
    if not comment:
        return text
    room = max(_WIDTH - max(len(text) + 2, _COMMENT) - 2, 20)
    short = comment if len(comment) <= room else comment[: room - 4].rstrip(" .,") + " ..."
    return f"{text:{_COMMENT}}# {short}" if len(text) < _COMMENT else f"{text}  # {short}"


def document(lines: Iterable[str]) -> str:
    """The text of a file."""
    return "\n".join(lines) + "\n"


def from_project(path: Path, project: Path) -> str:
    """A path as an experiment names it: from the project folder where it lies in there, else absolute."""
    absolute = Path(os.path.abspath(path))
    return str(absolute.relative_to(project)) if absolute.is_relative_to(project) else str(absolute)
