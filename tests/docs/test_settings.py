"""Each YAML block of README and docs is a valid part of an experiment."""

import textwrap
from pathlib import Path

import pytest
import yaml

from pipeline.config import load
from tests.conftest import REPOSITORY
from tests.docs.pages import PAGES, blocks_of

FOUND = [(page, text) for page in PAGES for text in blocks_of(page, "yaml")]
TASKS = {name: {"kind": "binary", "source": "digits", "label": "parity"} for name in ("left", "right")}
DIGITS = {"digit": {"kind": "multiclass", "source": "digits"}, "parity": {"kind": "binary", "source": "digits"}}
DIGITS["at_least_five"] = {"kind": "binary", "source": "digits"}


def parts(text: str) -> list[str]:
    """The block, or its lines if these are alternatives: each then begins with the same key."""
    keys = [line.split(":")[0] for line in text.splitlines() if line and line[0] not in " #"]
    return [text] if len(keys) == len(set(keys)) else [line for line in text.splitlines() if line]


@pytest.mark.parametrize(("page", "text"), FOUND, ids=lambda it: it.name if isinstance(it, Path) else "")
def test_settings_of_a_block_are_valid(page: Path, text: str, tmp_path: Path) -> None:
    for part in parts(text):
        settings = yaml.safe_load(textwrap.dedent(part))
        if part.startswith("    "):  # of a source
            settings = {"sources": {"my": {"kind": "table", "path": "my.csv", **settings}}}
        tasks = TASKS if "preference" in part else DIGITS
        whole = {"name": "shown", "tasks": tasks, **settings}
        path = tmp_path / "shown.yaml"
        path.write_text(yaml.safe_dump(whole), encoding="utf-8")
        assert load(str(path), {}, REPOSITORY).name


def test_there_are_blocks() -> None:
    assert len(FOUND) > 15
