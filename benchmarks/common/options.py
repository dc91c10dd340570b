"""Options that the benchmarks share."""

from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.common.data import VARIABLE
from benchmarks.common.results import FOLDER

Command = Callable[..., None]


def shared(repeats: int) -> Callable[[Command], Command]:
    """`--data`, `--repeats`, `--quick` and `--results`.

    Args:
        repeats: The default.
    """
    options = (
        click.option(
            "--data", type=click.Path(path_type=Path, exists=True, file_okay=False), envvar=VARIABLE, default=None,
            help=f"Folder with MNIST/raw and FashionMNIST/raw (or {VARIABLE}); without it data are made up.",
        ),
        click.option("--repeats", default=repeats, show_default=True, help="Turns that every contender takes."),
        click.option("--quick", is_flag=True, help="Tiny settings, to see that it works; the figures mean nothing."),
        click.option(
            "--results", "folder", type=click.Path(path_type=Path, file_okay=False), default=FOLDER,
            show_default="beside this", help="Where to write.",
        ),
    )  # fmt: skip

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add
