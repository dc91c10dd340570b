"""Options that commands share, and what they ask for."""

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import click

from pipeline.errors import UserError
from pipeline.steps.graph import STEPS
from pipeline.studies import STUDIES

_SHORT = {
    "trials": "tuning.trials",
    "storage": "tuning.storage",
    "methods": "compare.methods",
    "compared_seeds": "compare.seeds",
    "compared_trials": "compare.trials",
    "networks": "affinity.networks",
}
_PLANNED = "tuning.trials"


@dataclass(frozen=True)
class Request:
    """What a command about an experiment was asked.

    Attributes:
        experiment: Name or path.
        values: Dotted keys to set over the file's.
        resume: Go on with interrupted steps.
        force: Steps to run whatever is cached.
        promote: Make the new model champion.
        budget_s: Seconds into which the trials are to fit; None takes those of the experiment.
        arm: Whose study `tune` runs; by default the shared network's.
        quiet: Say nothing but warnings.
        as_json: Answer as JSON, and say nothing else.
    """

    experiment: str
    values: dict[str, Any]
    resume: bool = False
    force: frozenset[str] = frozenset()
    promote: bool = False
    budget_s: float | None = None
    arm: str = ""
    quiet: bool = False
    as_json: bool = False

    def as_command(self, name: str) -> str:
        """The line that asks the same again."""
        settings = (f"{key}={json.dumps(value)}" for key, value in self.values.items())
        words = [word for pair in settings for word in ("--set", pair)]
        words += ["--arm", self.arm] if self.arm else []
        return shlex.join(["headway", name, self.experiment, *words])


def experiment_options(command: Callable[..., None], required: bool = True) -> Callable[..., None]:
    """EXPERIMENT, `--set key=value` and `--dotted.key value`."""
    command = click.argument("extra", nargs=-1, type=click.UNPROCESSED, metavar="[--dotted.key VALUE]...")(command)
    command = click.argument("experiment", required=required)(command)
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
    for option, key in _SHORT.items():
        if options.get(option):
            values[key] = _parsed(options[option])
    force = frozenset(options.get("force", ()))
    steps = [*STEPS, *STUDIES]
    if unknown := force - set(steps):
        raise UserError(f"--force {', '.join(sorted(unknown))}: the steps are {', '.join(steps)}")
    return Request(
        options["experiment"],
        values,
        options.get("resume", False),
        force,
        options.get("promote", False),
        _budget(options.get("budget", ""), values),
        options.get("arm") or "",
        options["quiet"],
        options["json"],
    )


def _budget(text: str, values: dict[str, Any]) -> float | None:
    """Seconds; what a budget plans cannot be given as well."""
    if not text:
        return None
    from pipeline.config.tuning import seconds

    try:
        budget_s = float(seconds(_parsed(text)))
    except (TypeError, ValueError) as error:
        raise UserError(f"--budget {text}: {error}") from None
    if not 0.0 < budget_s < float("inf"):
        raise UserError(f"--budget {text}: a budget is longer than nothing, for example 10m")
    if _PLANNED in values:
        raise UserError(f"--budget plans {_PLANNED}: leave it out, or do not set {_PLANNED}")
    return budget_s


def _settings(pairs: Iterable[str]) -> dict[str, Any]:
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: write key=value, for example --set training.epochs=3")
        values[key.strip()] = _parsed(value)
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
        values[key] = _parsed(value)
    return values


def _parsed(value: str) -> Any:
    from pipeline.config import parse_value  # late: help is shown without it

    return parse_value(value)
