"""The command line: commands, options and help. Nothing heavy is imported until a step runs."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from pipeline import garbage_collection
from pipeline.commands.exit_codes import guarded
from pipeline.commands.options import as_request, experiment_options, output_options
from pipeline.steps.graph import STEPS, WHOLE
from pipeline.studies import STUDIES

_RESUME = click.option("--resume", is_flag=True, help="Resume interrupted steps, each in its own run.")
_FORCE = click.option(
    "--force", multiple=True, metavar="STEP", help="Run STEP and what depends on it, whatever is cached."
)
_STORAGE = click.option(
    "--storage", default="", help="Short for --set tuning.storage=URL; a password is better kept in HEADWAY_STORAGE."
)
_CHECKPOINTS = click.option(
    "--checkpoints",
    metavar="URL|FOLDER",
    help="Where checkpoints are kept, to resume on another machine; any store that fsspec knows.",
)
_JOB = (
    _RESUME,
    _FORCE,
    click.option("--promote", is_flag=True, help="Make the new model champion without comparing."),
    click.option("--trials", default="", help="Short for --set tuning.trials=N."),
    _STORAGE,
    _CHECKPOINTS,
    click.option("--budget", default="", metavar="TIME", help="Plan the trials to fit, for example into 10m."),
    output_options,
)
_OPTIONS = {
    "tune": (
        *_JOB,
        click.option("--arm", metavar="NAME", help="Whose study; by default the shared network's."),
    ),
    "compare": (
        click.option("--methods", default="", metavar="all|NAME,...", help="Of `headway show --balancers`."),
        click.option("--seeds", "compared_seeds", default="", help="Replicates of each arm; by default the study's."),
        click.option("--trials", "compared_trials", default="", help="Of each arm; by default the study's."),
        _RESUME,
        _FORCE,
        _STORAGE,
        _CHECKPOINTS,
        output_options,
    ),
    "affinity": (
        click.option(
            "--networks", default="", help="Into how many networks the tasks may be grouped, at most; 2 by default."
        ),
        _RESUME,
        _FORCE,
        _CHECKPOINTS,
        output_options,
    ),
}
"""Options of commands that differ from the job's."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="headway")
def cli() -> None:
    """Headway: multi-task learning, tracked from data to report.

    EXPERIMENT is a path, or the name of a file in experiments/.
    """


def _add(name: str, summary: str) -> None:
    """Add a command that runs steps."""

    def command(**options: Any) -> None:
        from pipeline.commands.execute import execute

        execute(name, as_request(options))

    for option in reversed(_OPTIONS.get(name, _JOB)):
        command = option(command)
    cli.command(name, help=summary, context_settings={"ignore_unknown_options": True})(experiment_options(command))


_add(WHOLE, "Do the whole job: prepare, train, tune, select, evaluate and report.")
for _name, _summary in {**STEPS, **STUDIES}.items():
    if _summary:
        _add(_name, _summary)


@cli.command("dashboard", context_settings={"ignore_unknown_options": True})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; there is no password.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 for any free one.")
@partial(experiment_options, required=False)
@output_options
def dashboard_command(host: str, port: int, **options: Any) -> None:
    """Serve Optuna's dashboard on the studies of EXPERIMENT, or of the project."""
    from pipeline.commands.dashboard import dashboard

    if not options["experiment"] and (options["settings"] or options["extra"]):
        raise click.UsageError("Missing argument 'EXPERIMENT', whose settings are given.")
    dashboard(as_request(options) if options["experiment"] else None, host, port, options["json"])


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@output_options
def new(folder: Path, **options: Any) -> None:
    """Make a project in FOLDER, with an experiment and its data to begin with."""
    from pipeline.commands.new import new as make

    make(folder, options["json"])


@cli.group("study")
def study_group() -> None:
    """Look at the studies of EXPERIMENT while they run or later, or end them; all it takes is their storage."""


def _study_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add EXPERIMENT, `--arm` and `--storage` to a command."""
    command = click.argument("experiment")(command)
    command = click.option(
        "--arm", metavar="NAME", help="Whose study; by default the shared network's, and to stop all."
    )(command)
    return click.option("--storage", metavar="URL", help="Where it is; by default the experiment's own.")(command)


@study_group.command("show")
@click.option(
    "--by",
    type=click.Choice(["newest", "best"]),
    default="newest",
    show_default=True,
    help="Which trials come first.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many trials.")
@_study_options
@output_options
def study_show(experiment: str, arm: str | None, storage: str | None, by: str, limit: int, **options: Any) -> None:
    """Show a study's trials: state, value, what was tried, weights, and why a trial is not complete."""
    from pipeline.commands.study import show as show_study

    show_study(experiment, arm, storage, by == "best", limit, options["json"])


@study_group.command("best")
@_study_options
@output_options
def study_best(experiment: str, arm: str | None, storage: str | None, **options: Any) -> None:
    """Show the winner of each replicate, as far as the study has come."""
    from pipeline.commands.study import best

    best(experiment, arm, storage, options["json"])


@study_group.command("export")
@_study_options
@click.argument("file", type=click.Path(path_type=Path))
@output_options
def study_export(file: Path, experiment: str, arm: str | None, storage: str | None, **options: Any) -> None:
    """Write a study's trials to FILE, a .parquet or .csv file."""
    from pipeline.commands.study import export as write

    write(experiment, file, arm, storage, options["quiet"], options["json"])


@study_group.command("stop")
@_study_options
@output_options
def study_stop(experiment: str, arm: str | None, storage: str | None, **options: Any) -> None:
    """End the studies of EXPERIMENT, wherever they run, after the epoch at hand; --resume goes on with them."""
    from pipeline.commands.study import stop

    stop(experiment, arm, storage, options["json"])


@cli.command("list")
@output_options
def list_command(**options: Any) -> None:
    """List the experiments: your own, and those that ship."""
    from pipeline.commands.show import show_list

    show_list(options["json"])


@cli.command(context_settings={"ignore_unknown_options": True})
@click.option("--data", is_flag=True, help="The prepared data instead: rows, classes, what is missing, examples.")
@click.option("--balancers", is_flag=True, help="The methods that choose task weights instead; without EXPERIMENT.")
@partial(experiment_options, required=False)
@output_options
def show(data: bool, balancers: bool, **options: Any) -> None:
    """Show the resolved configuration, each step's key, and the run that has its result."""
    from pipeline.commands.show import show_balancers, show_data, show_experiment

    if balancers:
        show_balancers(options["json"])
        return
    if options["experiment"] is None:
        raise click.UsageError("Missing argument 'EXPERIMENT'.")
    (show_data if data else show_experiment)(as_request(options))


@cli.command("open")
@click.option("--print", "only_print", is_flag=True, help="Print its path only.")
@click.argument("what", required=False, metavar="[EXPERIMENT|RUN]")
@output_options
def open_command(what: str | None, only_print: bool, **options: Any) -> None:
    """Open the newest report of EXPERIMENT or RUN in the browser."""
    from pipeline.commands.open import open_report

    open_report(what, only_print or options["quiet"], options["json"])


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("step")
@experiment_options
@output_options
def why(step: str, **options: Any) -> None:
    """Say which part of STEP's key changed since its last run."""
    from pipeline.commands.why import why as explain

    explain(step, as_request(options))


@cli.command()
@click.argument("experiment", required=False)
@click.option(
    "--question",
    default="pipelines",
    metavar="NAME",
    help="pipelines, best, decisions, unfinished, failed or trials.",
)
@output_options
def runs(experiment: str | None, question: str, **options: Any) -> None:
    """Answer a usual question on runs: pipelines, best, decisions, unfinished, failed, trials."""
    from pipeline.commands.runs import runs as ask

    ask(experiment, question, options["json"])


@cli.command()
@click.argument("first")
@click.argument("second")
@output_options
def diff(first: str, second: str, **options: Any) -> None:
    """Compare two runs: configuration, data, code and metrics, paired by seed."""
    from pipeline.commands.diff import diff as compare

    compare(first, second, options["json"])


@cli.command()
@click.argument("run")
@output_options
def rerun(run: str, **options: Any) -> None:
    """Rebuild a run or a trial from its tags and compare: bitwise equal, or the first validation that differs."""
    from pipeline.commands.rerun import rerun as rebuild

    rebuild(run, options["quiet"], options["json"])


@cli.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--targets",
    default="",
    metavar="NAME[:KIND],...",
    help="What to predict, for example price:regression; a name with , : = or + in it as '\"a,b\":binary'.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="The CSV file with the labels of a folder of images.")
@click.option("--text", is_flag=True, help="DATA holds texts: JSONL, CSV, or CoNLL with a tag a token.")
@click.option(
    "--name", default="", help="Of the experiment; by default the file's, as far as an experiment can bear it."
)
@output_options
def init(data: Path, labels: Path | None, targets: str, text: bool, name: str, **options: Any) -> None:
    """Draft an experiment from DATA: a table, a folder of images, or texts."""
    from pipeline.commands.init import init as draft

    draft(data, labels, targets, text, name, options["json"])


@cli.command(context_settings={"ignore_unknown_options": True})
@click.option("--model", default="", metavar="URI", help="For example models:/mnist_fashion@champion.")
@click.option(
    "--input", "source", type=click.Path(path_type=Path), help="CSV, TSV, JSON lines, Parquet, or image folder."
)
@click.option(
    "--out-of-fold",
    is_flag=True,
    help="Instead the rows that EXPERIMENT, or the model, was trained on, each by networks that never saw it.",
)
@click.option("--source", "name", default="", metavar="NAME", help="Of these the source, where there are several.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="A .csv or .parquet file to write.")
@click.option(
    "--preference",
    default="",
    metavar="SHARES",
    help="Of a network trained by cosmos: shares of the tasks, as 0.8,0.2.",
)
@click.option(
    "--spreadsheet", is_flag=True, help="For a spreadsheet program: no text of a .csv file begins like a formula."
)
@click.option(
    "--keep", metavar="NAME,...", help="Columns of the input to keep; by default all that are no inputs of the model."
)
@partial(experiment_options, required=False)
@output_options
def predict(
    model: str,
    source: Path | None,
    out_of_fold: bool,
    name: str,
    output: Path,
    preference: str,
    spreadsheet: bool,
    keep: str | None,
    **options: Any,
) -> None:
    """Score a table or a folder of images with a registered model."""
    from pipeline.commands.predict import predict as score, predict_out_of_fold

    given = [it for it in (model, options["experiment"]) if it]
    if out_of_fold:
        if source or preference or keep is not None:
            raise click.UsageError("--out-of-fold is of the rows that the networks were trained on: no --input")
        if len(given) != 1:
            raise click.UsageError("--out-of-fold needs an EXPERIMENT, or a --model.")
        predict_out_of_fold(as_request(options | {"experiment": given[0]}), name, output, spreadsheet)
        return
    if options["extra"] or options["settings"]:
        raise click.NoSuchOption((options["extra"] or ("--set",))[0])
    if options["experiment"] or name:
        raise click.UsageError("EXPERIMENT and --source are of --out-of-fold.")
    if not model or source is None:
        raise click.UsageError(f"Missing option '{'--input' if model else '--model'}'.")
    score(model, source, output, preference, spreadsheet, keep, options["quiet"], options["json"])


@cli.command()
@click.argument("model", metavar="MODEL")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", default=5001, show_default=True, type=click.IntRange(0, 65535), help="0 takes one that is free."
)
@output_options
def serve(model: str, host: str, port: int, **options: Any) -> None:
    """Answer requests with MODEL, for example models:/mnist_fashion@champion."""
    from pipeline.commands.serve import serve as answer

    answer(model, host, port, options["quiet"])


@cli.command()
@click.argument("model")
@click.option("--onnx", type=click.Path(path_type=Path), metavar="FILE", help="An .onnx file to write.")
@click.option("--pt2", type=click.Path(path_type=Path), metavar="FILE", help="A .pt2 file of torch.export to write.")
@click.option(
    "--docker", type=click.Path(path_type=Path), metavar="FOLDER", help="A folder to write with a Dockerfile."
)
@output_options
def export(model: str, onnx: Path | None, pt2: Path | None, docker: Path | None, **options: Any) -> None:
    """Write MODEL, such as models:/digits@champion, for programs without Headway."""
    from pipeline.commands.export import export as write

    if onnx is None and pt2 is None and docker is None:
        raise click.UsageError("Missing option '--onnx', '--pt2' or '--docker'.")
    write(model, onnx, pt2, docker, options["quiet"], options["json"])


def main() -> None:
    """Run the command line; an error is one line on stderr and an exit code."""
    garbage_collection.rare()
    try:
        guarded(cli)
    finally:
        if "triton" not in sys.modules:  # it warns of objects that still exist at exit
            garbage_collection.freeze()


if __name__ == "__main__":
    main()
