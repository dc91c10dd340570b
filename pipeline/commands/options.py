"""Options that commands share, and the request that they make."""

import difflib
import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import UserError
from pipeline.steps.graph import STEPS
from pipeline.studies import STUDIES
from pipeline.urls import redacted, remember

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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
    """The options of a command on an experiment.

    Attributes:
        experiment: Name or path of the experiment.
        values: Values by dotted key that override the file's.
        resume: Whether to resume interrupted steps.
        force: Steps to run even if they are cached.
        promote: Whether to make the new model champion unconditionally.
        budget_s: Time in seconds to plan the trials for; None takes the experiment's number of trials.
        arm: The arm whose study `tune` runs; by default the shared network's.
        quiet: Whether to print warnings only.
        as_json: Whether to print the result as JSON, and nothing else.
        checkpoints: Where checkpoints are kept, a folder or URL; empty for the project folder.
        engine: Where networks train, `local` or `ray`.
        address: Of the Ray cluster; by default one is started on this machine.
        join: Whether to give this machine's cores to whoever coordinates the study already.
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
    checkpoints: str = ""
    engine: str = "local"
    address: str = ""
    join: bool = False

    def as_command(self, name: str) -> str:
        """The command line of this request, as it may be shown: without secrets."""
        from pipeline.config import without_secrets

        settings = (f"{key}={json.dumps(without_secrets(key, value))}" for key, value in self.values.items())
        words = [word for pair in settings for word in ("--set", pair)]
        words += ["--arm", self.arm] if self.arm else []
        words += ["--checkpoints", redacted(self.checkpoints)] if self.checkpoints else []
        return shlex.join(["headway", name, self.experiment, *words])


def offered(name: str) -> "Callable[[click.Context, click.Parameter, str], list[CompletionItem]]":
    """What a shell is offered for a parameter: a function of `pipeline.commands.completion`, imported when it asks."""

    def offer(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        return getattr(import_module("pipeline.commands.completion"), name)(ctx, parameter, incomplete)

    return offer


def experiment_options(command: Callable[..., None], required: bool = True) -> Callable[..., None]:
    """Add EXPERIMENT, `--set key=value` and `--dotted.key value` to a command."""
    command = click.argument(
        "extra",
        nargs=-1,
        type=click.UNPROCESSED,
        metavar="[--dotted.key VALUE]...",
        callback=_check_options,
        shell_complete=offered("dotted"),
    )(command)
    command = click.argument("experiment", required=required, shell_complete=offered("experiments"))(command)
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set a value; also --dotted.key VALUE.",
        shell_complete=offered("assignments"),
    )(command)


def _check_options(ctx: click.Context, _: click.Parameter, extra: tuple[str, ...]) -> tuple[str, ...]:
    """Take an option without a dot for a mistake, unless the experiment has such a setting.

    Raises:
        click.NoSuchOption: There is none; the message says what may be meant.
    """
    for word in () if ctx.resilient_parsing else _options_in(extra):
        name = word.removeprefix("--")
        if "." in name:
            continue
        from pipeline.commands.settings import settings

        keys = [*settings()]
        groups = {key.partition(".")[0] for key in keys}
        if name in groups:
            continue
        options = [it.removeprefix("--") for parameter in ctx.command.params for it in parameter.opts]
        inner = [key for key in keys if key.endswith(f".{name}")]
        guess = inner or difflib.get_close_matches(name, [*options, *groups], n=1)
        hint = f"did you mean '--{guess[0]}'?" if guess else f"{ctx.command_path} --help lists them"
        raise click.NoSuchOption(word, f"no option '{word}' ({hint})")
    return extra


def _options_in(extra: tuple[str, ...]) -> Iterator[str]:
    """The options among words as `_dotted` reads them."""
    words = iter(extra)
    for word in words:
        option, equals, _ = word.partition("=")
        if option.startswith("--"):
            yield option
            if not equals:
                next(words, None)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--quiet`, `--json` and `--debug` to a command."""
    command = click.option("--debug", is_flag=True, help="Show the traceback of an error.")(command)
    command = click.option("--json", is_flag=True, help="Print the result as JSON; no progress.")(command)
    return click.option("--quiet", is_flag=True, help="No progress.")(command)


def as_request(options: dict[str, Any]) -> Request:
    """The request of a command's options.

    Raises:
        UserError: A value has no key, a key has no value, a step is unknown, an address has no engine, or options
            exclude each other.
    """
    values = _settings(options["settings"]) | _dotted(options["extra"])
    for option, key in _SHORT.items():
        if options.get(option):
            values[key] = _parsed(options[option])
    if options.get("mixed"):
        values["mixed"] = True
    engine, address = options.get("engine", "local"), options.get("address", "")
    if address and engine != "ray":
        raise UserError(f"--address {address} is of a Ray cluster: add --engine ray, or leave it out")
    if options.get("join") and options.get("force"):
        raise UserError("--force does afresh what --join would help another machine with: leave one of the two out")
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
        _checkpoints(options.get("checkpoints")),
        engine,
        address,
        options.get("join", False),
    )


def _checkpoints(address: str | None) -> str:
    """The address of `--checkpoints`.

    Raises:
        UserError: It is empty.
    """
    if address is None:
        return ""
    if not address.strip():
        raise UserError("--checkpoints names no place: write a folder, or for example s3://bucket/folder")
    remember(address)
    return address


def _budget(text: str, values: dict[str, Any]) -> float | None:
    """The budget in seconds; the number of trials, which it plans, cannot be set as well."""
    if not text:
        return None
    from pipeline.config.tuning import seconds

    try:
        budget_s = float(seconds(_parsed(text)))
    except (TypeError, ValueError) as error:
        raise UserError(f"--budget {text}: {error}") from None
    if not 0.0 < budget_s < float("inf"):
        raise UserError(f"--budget {text}: a budget is more than 0, for example 10m")
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
    """Parse `--key value` and `--key=value`, as `mlflow run -P` passes them."""
    values, remaining = {}, list(extra)
    while remaining:
        word = remaining.pop(0)
        if not word.startswith("--"):
            raise UserError(f"unexpected argument '{word}'; values are given as --set key=value")
        key, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            if not remaining:
                raise UserError(f"{word} has no value; write {word} VALUE")
            value = remaining.pop(0)
        values[key] = _parsed(value)
    return values


def _parsed(value: str) -> Any:
    from pipeline.config import parse_value  # imported late: help does not need it

    return parse_value(value)
