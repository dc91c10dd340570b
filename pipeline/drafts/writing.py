"""YAML with comments, as a person would write it."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.load import FLOATS

_COMMENT = 44  # column at which comments begin where there is room
_WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """Quotes all words that experiment files would be read as something else."""


_Dumper.add_implicit_resolver(*FLOATS)


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("...\n").strip()


def said(comment: str) -> str:
    """A comment behind a line."""
    return f"  # {' '.join(comment.split())}"


def line(text: str, comment: str = "") -> str:
    """A line with its comment behind it, cut where there is no room."""
    if not comment:
        return text
    room = max(_WIDTH - max(len(text) + 2, _COMMENT) - 2, 20)
    short = comment if len(comment) <= room else comment[: room - 4].rstrip(" .,") + " ..."
    return f"{text:{_COMMENT}}# {short}" if len(text) < _COMMENT else f"{text}{said(short)}"


def experiment(
    drafted_from: str, name: str, source: str, settings: Iterable[str], tasks: Iterable[str], rest: Iterable[str]
) -> str:
    """The text of an experiment on one source: its settings and the tasks, a line each, and the rest of the file."""
    return document(
        [
            f"# Drafted from {drafted_from}. Guesses are explained: mend what is wrong.",
            f"name: {flow(name)}",
            "sources:",
            f"  {flow(source)}:",
            *(f"    {it}" for it in settings),
            "tasks:",
            *(f"  {it}" for it in tasks),
            *rest,
        ]
    )


def plain(name: str) -> str:
    """A name of letters, digits, '_' and '-' only, as sources and tasks have."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)


def document(lines: Iterable[str]) -> str:
    """The text of a file."""
    return "\n".join(lines) + "\n"


def from_project(path: Path, project: Path) -> str:
    """A path as an experiment names it: from the project folder, or whole where it lies outside."""
    whole, inside = Path(os.path.abspath(path)), Path(os.path.abspath(project))
    return (whole.relative_to(inside) if whole.is_relative_to(inside) else whole).as_posix()
