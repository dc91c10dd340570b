"""Help that fits a terminal of 80 columns and 50 lines: examples come first, and commands stand by what one wants."""

import difflib
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM = "headway"
COMPLETE = "_HEADWAY_COMPLETE"
"""Environment variable by which a shell asks how a command line may go on."""

_INDENT = "  "


class Command(click.Command):
    """A command whose help shows examples.

    Args:
        examples: Command lines, each perhaps with a comment after `#`.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of a command line; a flag may have a value, as `mlflow run -P resume=true` gives it one."""
        options = [it for it in self.params if isinstance(it, click.Option) and it.is_flag]
        return super().parse_args(ctx, _plain(args, {name for it in options for name in it.opts}))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does, and examples."""
        super().format_help_text(ctx, formatter)
        _write_examples(self.examples, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Options, and settings that are given as options."""
        extra = (it for it in self.params if it.name == "extra")
        found = super().shell_complete(ctx, incomplete)
        return found + [item for it in extra for item in it.shell_complete(ctx, incomplete)]


def _plain(words: Sequence[str], flags: Container[str]) -> list[str]:
    """Words with flags that have no values.

    >>> _plain(["run", "--resume", "true", "--mixed", "false", "--trials", "3"], {"--resume", "--mixed"})
    ['run', '--resume', '--trials', '3']
    """
    plain, rest = [], [*words]
    while rest:
        word = rest.pop(0)
        value = rest.pop(0).lower() if word in flags and rest and rest[0].lower() in ("true", "false") else "true"
        if value == "true":
            plain.append(word)
    return plain


class Group(click.Group):
    """A group whose help shows examples and sections of commands; without a command it shows its help.

    Args:
        examples: As those of a command.
        sections: Names of commands by title; empty for one section.
    """

    command_class = Command
    group_class = type

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        sections: Mapping[str, Sequence[str]] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*args, **{"subcommand_metavar": "COMMAND ..."} | attributes)
        self.examples, self.sections = tuple(examples), sections or {}

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line, called `headway` however Python was started."""
        return super().main(*args, **{"prog_name": PROGRAM} | options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; where there are none, show the help."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; one that does not exist is told with the closest that does."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            guess = difflib.get_close_matches(args[0], self.commands, n=1)
            hint = f"did you mean '{guess[0]}'?" if guess else f"{ctx.command_path} --help lists them"
            raise click.UsageError(f"no command '{args[0]}' ({hint})")
        return super().resolve_command(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the commands are for, and examples."""
        super().format_help_text(ctx, formatter)
        _write_examples(self.examples, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, by section, their texts in one column."""
        width = max(map(len, self.commands))
        for title, names in (self.sections or {"Commands": tuple(self.commands)}).items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{name:{width}}", self.commands[name].get_short_help_str(limit=200)) for name in names]
                )


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write command lines as they are, for a wrapped one cannot be copied; their comments stand in one column."""
    if not examples:
        return
    parts = [line.partition("  # ") for line in examples]
    width = max((len(command.rstrip()) for command, comment, _ in parts if comment), default=0)
    formatter.write("\nExamples:\n")
    for command, mark, comment in parts:
        formatter.write(f"{_INDENT}{command.rstrip():{width if mark else 0}}{mark}{comment}\n")
