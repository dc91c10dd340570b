"""Options that commands share, and what they ask for."""

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import click

from pipeline.config import parse_value
from pipeline.errors import UserError

STEPS = ("prepare", "train", "tune", "evaluate", "report")


@dataclass(frozen=True)
class Request:
    """What a command about an experiment was asked.

    Attributes:
        experiment: Name or path.
        values: Dotted keys to set over the file's.
        resume: Go on with interrupted steps.
        force: Steps to run whatever is cached.
        promote: Make the new model champion.
        quiet: Say nothing but warnings.
        as_json: Answer as JSON, and say nothing else.
    """

    experiment: str
    values: dict[str, Any]
    resume: bool = False
    force: frozenset[str] = frozenset()
    promote: bool = False
    quiet: bool = False
    as_json: bool = False

    def as_command(self, name: str) -> str:
        """The line that asks the same again."""
        settings = (f"{key}={json.dumps(value)}" for key, value in self.values.items())
        return shlex.join(["headway", name, self.experiment, *(word for pair in settings for word in ("--set", pair))])


def experiment_options(command: Callable[..., None]) -> Callable[..., None]:
    """EXPERIMENT, `--set key=value` and `--dotted.key value`."""
    command = click.argument("extra", nargs=-1, type=click.UNPROCESSED, metavar="[--dotted.key VALUE]...")(command)
    command = click.argument("experiment")(command)
    return click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set a value; also --dotted.key VALUE."
    )(command)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--quiet`, `--json`, `--debug`."""
    command = click.option("--debug", is_flag=True, help="Show the traceback of an error.")(command)
    command = click.option("--json", is_flag=True, help="Answer as JSON; no progress.")(command)
    return click.option("--quiet", is_flag=True, help="No progress.")(command)


def as_request(options: dict[str, Any]) -> Request:
    """What the options of a command about an experiment ask.

    Raises:
        UserError: A value has no key, a key no value, or a step is unknown.
    """
    values = _settings(options["settings"]) | _dotted(options["extra"])
    for option, key in (("trials", "tuning.trials"), ("storage", "tuning.storage")):
        if options.get(option):
            values[key] = parse_value(options[option])
    force = frozenset(options.get("force", ()))
    if unknown := force - set(STEPS):
        raise UserError(f"--force {', '.join(sorted(unknown))}: the steps are {', '.join(STEPS)}")
    return Request(
        options["experiment"],
        values,
        options.get("resume", False),
        force,
        options.get("promote", False),
        options["quiet"],
        options["json"],
    )


def _settings(pairs: Iterable[str]) -> dict[str, Any]:
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: write key=value, for example --set training.epochs=3")
        values[key.strip()] = parse_value(value)
    return values


def _dotted(extra: tuple[str, ...]) -> dict[str, Any]:
    """`--key value` and `--key=value`, as `mlflow run -P` passes them on."""
    values, waiting = {}, list(extra)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--"):
            raise UserError(f"unexpected argument '{word}'; values are given as --set key=value")
        key, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            if not waiting:
                raise UserError(f"{word} has no value; write {word} VALUE")
            value = waiting.pop(0)
        values[key] = parse_value(value)
    return values
