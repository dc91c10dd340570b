"""The commands, with their options and help, as Markdown."""

import re
from collections.abc import Iterator

import click

from pipeline.cli import cli


def commands() -> str:
    """A section for each command, in alphabetical order."""
    return "\n".join(_sections(cli, click.Context(cli, info_name="headway")))


def _sections(group: click.Group, parent: click.Context) -> Iterator[str]:
    for name in sorted(group.list_commands(parent)):
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent)
        yield from _section(context)
        if isinstance(command, click.Group):
            yield from _sections(command, context)


def _section(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield f"## {context.command_path}\n\n{_escaped(command.help or '')}\n\n```text\n{usage}\n```\n"
    if examples := getattr(command, "examples", ()):
        yield "```sh\n" + "\n".join(examples) + "\n```\n"
    yield "| option | |\n| --- | --- |"
    for names, text in filter(None, (it.get_help_record(context) for it in command.get_params(context))):
        if text:  # arguments have none: they stand in the usage
            yield f"| `{_escaped(names, '')}` | {_escaped(text)} |"
    yield ""


def _escaped(text: str, marks: str = "<*") -> str:
    """Text that stands in a table: bars, and what Markdown would read as marks, are themselves."""
    return re.sub(rf"[|{marks}]", r"\\\g<0>", " ".join(text.replace("\b", "").split()))
