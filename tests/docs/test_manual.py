"""The manual builds without a warning, and its reference has every setting, command and method."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipeline.cli import cli
from pipeline.config import Experiment
from pipeline.config.balancing import Balancing
from pipeline.config.data import DataSettings
from pipeline.config.sharing import Sharing
from pipeline.config.training import TrainingSettings
from pipeline.config.tuning import TuningSettings
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the pages."""
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("manual")
    options = ["-W", "-n", "--keep-going", "-q", "-b", "html", "-d", folder / "trees"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, DOCS, folder / "html"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_is_built(built: Path) -> None:
    pages = [it.relative_to(DOCS) for it in DOCS.rglob("*.md")]
    assert len(pages) >= 20
    assert [it for it in pages if not (built / it.with_suffix(".html")).exists()] == []


def test_every_setting_is_in_the_reference(built: Path) -> None:
    page = (built / "reference" / "settings.html").read_text(encoding="utf-8")
    groups = {"data": DataSettings, "training": TrainingSettings, "tuning": TuningSettings}
    keys = [*Experiment.model_fields, *(f"{it}.{name}" for it, group in groups.items() for name in group.model_fields)]
    assert len(keys) > 50
    assert [it for it in keys if f">{it}<" not in page] == []
    assert "Root seed of all random draws." in page


def test_every_command_is_in_the_reference_with_its_options(built: Path) -> None:
    page = (built / "reference" / "commands.html").read_text(encoding="utf-8")
    for name in cli.list_commands(click.Context(cli)):
        assert f">headway {name}<" in page
    assert "--out-of-fold" in page


def test_every_method_is_in_the_reference(built: Path) -> None:
    page = (built / "reference" / "balancers.html").read_text(encoding="utf-8")
    assert [it for it in Balancing.choices if f">{it}<" not in page] == []
    assert "arXiv 1705.07115" in page


def test_readme_is_short_and_counts_right() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    methods, ways = len(Balancing.choices), len(Sharing.choices) - 1  # `separate` shares nothing
    assert f"**Balancing methods**, {methods} of them" in text
    assert f"| loss weighting and gradient balancing | {methods} methods |" in text
    assert f"| ways to share a network | {ways} |" in text
    for command in ("make run", "make test", "make ui"):
        assert text.index(command) < 1_000


def test_nothing_is_asked_of_a_network(built: Path) -> None:
    page = (built / "index.html").read_text(encoding="utf-8")
    assert 'src="http' not in page
    assert 'stylesheet" type="text/css" href="http' not in page
