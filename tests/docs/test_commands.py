"""Each `headway ...` of README and docs is a command as the program takes it: options and settings exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pipeline.cli import cli
from pipeline.commands.options import as_request
from pipeline.config import load
from pipeline.errors import UserError
from tests.conftest import REPOSITORY
from tests.docs.pages import PAGES, blocks

SHIPPED = {it.stem for it in (REPOSITORY / "experiments").glob("*.yaml")}
SHELL = ("sh", "bash", "console")


def spoken(page: Path) -> Iterator[tuple[str, bool]]:
    """The commands of a page, each with whether it is in a shell block, and so whole, or is only named in the text."""
    text = page.read_text(encoding="utf-8")
    for language, block in blocks(text):
        if language in SHELL:
            for line in block.replace("\\\n", " ").splitlines():
                yield from (
                    (it.strip(), True)
                    for it in re.split(r"&&|;(?= )|\|(?= )", line)
                    if it.strip().startswith("headway ")
                )
    prose = re.sub(r"^(```|:::).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from ((it, False) for it in re.findall(r"(?<!`)`(headway [^`]+)`(?!`)", prose))


COMMANDS = sorted({(page.name, *it) for page in PAGES if page.name != "CHANGELOG.md" for it in spoken(page)})


def words(line: str) -> list[str]:
    """The words behind `headway`, without what the shell takes."""
    found = shlex.split(line, comments=True)[1:]
    return [
        it
        for before, it in zip(["", *found], found, strict=False)
        if it not in ("&", "--help") and (it != "..." or before.startswith("--"))
    ]


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 100


@pytest.mark.parametrize(("page", "line", "whole"), COMMANDS)
def test_a_command_is_taken(page: str, line: str, whole: bool) -> None:
    name, *arguments = words(line.replace("[EXPERIMENT]", "digits").replace("EXPERIMENT", "digits"))
    if name == "COMMAND":
        return
    command = cli.get_command(click.Context(cli), name)
    while isinstance(command, click.Group) and arguments:
        name, *arguments = arguments
        command = command.get_command(click.Context(command), name)
    assert command is not None, f"there is no `headway {name}`"
    placeholder = any(re.fullmatch(r"\[.*|.*\]|.*\|.*", it) for it in arguments)
    if placeholder:
        return
    try:
        given = command.make_context(name, arguments).params
    except (click.MissingParameter, click.BadOptionUsage):
        assert not whole
        return
    if given.get("extra") or given.get("settings"):
        request = as_request({"quiet": False, "json": False} | given)
        experiment = request.experiment if request.experiment in SHIPPED else "digits"
        load(experiment, request.values, REPOSITORY)


@pytest.mark.parametrize(
    "line",
    ["headway runs --qestion best", "headway serve models:/x@champion --prot 1", "headway run digits --budgte 10m"],
)
def test_a_wrong_option_is_found(line: str) -> None:
    with pytest.raises((click.UsageError, UserError)):
        test_a_command_is_taken("", line, True)


def test_a_wrong_setting_is_found() -> None:
    with pytest.raises(UserError, match="epoch"):
        test_a_command_is_taken("", "headway run digits --set training.epoch=3", True)
