"""The command line: commands, options and help. Nothing heavy is imported until a step runs."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from pipeline import garbage_collection
from pipeline.commands.exit_codes import guarded
from pipeline.commands.help import COMPLETE, Group
from pipeline.commands.options import as_request, experiment_options, offered, output_options
from pipeline.steps.graph import STEPS, WHOLE
from pipeline.studies import STUDIES

_RESUME = click.option("--resume", is_flag=True, help="Resume interrupted steps, each in its own run.")
_FORCE = click.option(
    "--force",
    multiple=True,
    metavar="STEP",
    help="Run STEP and what depends on it, whatever is cached.",
    shell_complete=offered("steps"),
)
_PROMOTE = click.option("--promote", is_flag=True, help="Make the new model champion without comparing.")
_TRIALS = click.option("--trials", default="", metavar="N", help="Short for --set tuning.trials=N.")
_BUDGET = click.option("--budget", default="", metavar="TIME", help="Plan the trials to fit, for example into 10m.")
_STORAGE = click.option(
    "--storage",
    default="",
    metavar="URL",
    help="Short for --set tuning.storage=URL; a password is better kept in HEADWAY_STORAGE.",
)
_CHECKPOINTS = click.option(
    "--checkpoints",
    metavar="URL|FOLDER",
    help="Where checkpoints are kept, to resume on another machine; any store that fsspec knows.",
    shell_complete=offered("folders"),
)
_ENGINE = (
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where networks train: processes of this machine, or a Ray cluster. No effect on values.",
    ),
    click.option(
        "--address",
        default="",
        metavar="HOST:PORT|auto",
        help="Of the Ray cluster; by default one of its own is started on this machine.",
        shell_complete=offered("addresses"),
    ),
    click.option("--mixed", is_flag=True, help="Short for --set mixed=true: machines that compute other bits, too."),
)
_STEPS = (_RESUME, _FORCE)
_TRAINING = (*_STEPS, _CHECKPOINTS, *_ENGINE)
_JOIN = click.option(
    "--join", is_flag=True, help="Where another machine runs the study: give it this one's cores, through Ray."
)
_STUDY = (_TRIALS, _BUDGET, _STORAGE)
_JOB = (*_STUDY, _PROMOTE, *_TRAINING, _JOIN)
_OPTIONS = {
    "prepare": _STEPS,
    "train": _TRAINING,
    "tune": (
        *_STUDY,
        click.option(
            "--arm",
            metavar="NAME",
            help="Whose study; by default the shared network's.",
            shell_complete=offered("arms"),
        ),
        *_TRAINING,
        _JOIN,
    ),
    "explain": (_TRIALS, _STORAGE, *_TRAINING, _JOIN),
    "compare": (
        click.option(
            "--methods",
            default="",
            metavar="all|NAME,...",
            help="Of `headway show --balancers`.",
            shell_complete=offered("methods"),
        ),
        click.option(
            "--seeds",
            "compared_seeds",
            default="",
            metavar="N",
            help="Replicates of each arm; by default the study's.",
        ),
        click.option(
            "--trials", "compared_trials", default="", metavar="N", help="Of each arm; by default the study's."
        ),
        _STORAGE,
        *_TRAINING,
        _JOIN,
    ),
    "affinity": (
        click.option(
            "--networks",
            default="",
            metavar="N",
            help="Into how many networks the tasks may be grouped, at most; 2 by default.",
        ),
        *_TRAINING,
    ),
}
"""Options of commands that differ from the whole job's."""
_SUMMARIES = {WHOLE: "Do the whole job: prepare, train, tune, select, evaluate and report.", **STEPS, **STUDIES}
_SHORT = {
    "affinity": "Find which tasks should share a network.",
    "compare": "Compare ways to choose the task weights.",
    "explain": "Show what the network looks at for each task.",
    "evaluate": "Open the test split once, for all candidates.",
    "run": "Do the whole job, from the data to the report.",
}
"""What the list of commands says, where that is less than the command's own help."""
_EXAMPLES = {
    "run": (
        "headway run digits",
        "headway run digits --budget 10m  # as many trials as fit into ten minutes",
        "headway run digits --trials 12 --set training.seeds=3 --resume",
    ),
    "prepare": (
        "headway prepare digits",
        "headway prepare digits --set data.validation=0.2",
        "headway show digits --data  # what was prepared",
    ),
    "train": ("headway train digits", "headway train digits --set training.seeds=5 --training.updates 2000"),
    "tune": (
        "headway tune digits --trials 15",
        "headway tune digits --budget 30m --storage sqlite:///studies.db",
        "headway study show digits  # from another terminal, while it runs",
    ),
    "evaluate": ("headway evaluate digits", "headway evaluate digits --promote"),
    "report": ("headway report digits", "headway report digits --force report  # write it once more"),
    "explain": ("headway explain digits", "headway open digits  # the newest report"),
    "compare": (
        "headway compare digits --methods famo,upgrad",
        "headway compare digits --methods all --trials 9 --seeds 3",
    ),
    "affinity": ("headway affinity census", "headway affinity census --networks 3"),
}
_SECTIONS = {
    "Start": ("new", "init", "list", "show"),
    "Run": ("run", "prepare", "train", "tune", "evaluate", "report"),
    "Understand": ("open", "compare", "affinity", "explain", "why", "diff"),
    "Use a model": ("predict", "serve", "export"),
    "Look after": ("runs", "study", "dashboard", "rerun", "doctor", "completion"),
}
"""The commands, by what one wants."""
_DOTTED = {"ignore_unknown_options": True}
"""Lets a command take `--dotted.key VALUE`."""


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    sections=_SECTIONS,
    examples=(
        "headway new mine             # a project with an experiment and its data",
        "headway run digits           # the whole job of an experiment that ships",
        "headway run --help           # each command shows examples and its options",
    ),
)
@click.version_option(package_name="headway")
def cli() -> None:
    """Multi-task learning, tracked from data to report.

    EXPERIMENT is a name that `headway list` shows, or the path of a YAML file.
    """


def _add(name: str, summary: str) -> None:
    """Add a command that runs steps."""

    def command(**options: Any) -> None:
        from pipeline.commands.execute import execute

        execute(name, as_request(options))

    command = output_options(command)
    for option in reversed(_OPTIONS.get(name, _JOB)):
        command = option(command)
    cli.command(name, help=summary, short_help=_SHORT.get(name), examples=_EXAMPLES[name], context_settings=_DOTTED)(
        experiment_options(command)
    )


for _name, _summary in _SUMMARIES.items():
    if _summary:
        _add(_name, _summary)


@cli.command(
    "dashboard",
    short_help="Serve Optuna's dashboard on the studies.",
    examples=("headway dashboard", "headway dashboard digits --port 0  # at any port that is free"),
    context_settings=_DOTTED,
)
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


@cli.command(
    short_help="Make a project, with an experiment to begin with.",
    examples=("headway new mine",),
)
@click.argument("folder", type=click.Path(path_type=Path))
@output_options
def new(folder: Path, **options: Any) -> None:
    """Make a project in FOLDER, with an experiment and its data to begin with."""
    from pipeline.commands.new import new as make

    make(folder, options["json"])


@cli.group(
    "study",
    short_help="Look at studies, also while they run, or end them.",
    examples=(
        "headway study show digits --by best --limit 5",
        "headway study export digits trials.csv",
        "headway study stop digits",
    ),
)
def study_group() -> None:
    """Look at the studies of EXPERIMENT while they run or later, or end them; all it takes is their storage."""


def _study_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add EXPERIMENT, `--arm` and `--storage` to a command."""
    command = click.argument("experiment", shell_complete=offered("experiments"))(command)
    command = click.option(
        "--arm",
        metavar="NAME",
        help="Whose study; by default the shared network's, and to stop all.",
        shell_complete=offered("studied"),
    )(command)
    return click.option("--storage", metavar="URL", help="Where it is; by default the experiment's own.")(command)


@study_group.command(
    "show",
    short_help="Show its trials: state, value, and what was tried.",
    examples=(
        "headway study show digits",
        "headway study show digits --by best --limit 5",
        "headway study show digits --arm mnist --storage sqlite:///studies.db",
    ),
)
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


@study_group.command("best", examples=("headway study best digits",))
@_study_options
@output_options
def study_best(experiment: str, arm: str | None, storage: str | None, **options: Any) -> None:
    """Show the winner of each replicate, as far as the study has come."""
    from pipeline.commands.study import best

    best(experiment, arm, storage, options["json"])


@study_group.command(
    "export", examples=("headway study export digits trials.parquet", "headway study export digits trials.csv")
)
@_study_options
@click.argument("file", type=click.Path(path_type=Path))
@output_options
def study_export(file: Path, experiment: str, arm: str | None, storage: str | None, **options: Any) -> None:
    """Write a study's trials to FILE, a .parquet or .csv file."""
    from pipeline.commands.study import export as write

    write(experiment, file, arm, storage, options["quiet"], options["json"])


@study_group.command(
    "stop",
    short_help="End the studies of an experiment, wherever they run.",
    examples=("headway study stop digits", "headway tune digits --resume  # goes on with it"),
)
@_study_options
@output_options
def study_stop(experiment: str, arm: str | None, storage: str | None, **options: Any) -> None:
    """End the studies of EXPERIMENT, wherever they run, after the epoch at hand; --resume goes on with them."""
    from pipeline.commands.study import stop

    stop(experiment, arm, storage, options["json"])


@cli.command("list", examples=("headway list", "headway list --json"))
@output_options
def list_command(**options: Any) -> None:
    """List the experiments: your own, and those that ship."""
    from pipeline.commands.show import show_list

    show_list(options["json"])


@cli.command(
    short_help="Show an experiment's settings, or its data.",
    examples=(
        "headway show digits",
        "headway show digits --data",
        "headway show --balancers  # the methods that choose task weights",
    ),
    context_settings=_DOTTED,
)
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


@cli.command(
    short_help="Check this machine and project for what is missing.",
    examples=("headway doctor", "headway doctor digits  # also its file, and where its studies are kept"),
)
@click.argument("experiment", default="", shell_complete=offered("experiments"))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def doctor(experiment: str, as_json: bool, debug: bool) -> None:
    """Check Python, packages, cores, memory, disk, folders, stores and the GPU, and what EXPERIMENT needs.

    The exit code is 1 if something would fail.
    """
    from pipeline.commands.doctor import doctor as check

    check(experiment, as_json)


@cli.command(
    short_help="Print what makes a shell complete commands by Tab.",
    examples=(
        'eval "$(headway completion bash)"  # in ~/.bashrc',
        'eval "$(headway completion zsh)"  # in ~/.zshrc, after compinit',
        "headway completion fish > ~/.config/fish/completions/headway.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script for SHELL, by which Tab completes commands, options, experiments, runs, models and settings."""
    from pipeline.commands.completion import script

    click.echo(script(shell, cli), nl=False)


@cli.command(
    "open",
    short_help="Open the newest report in the browser.",
    examples=("headway open digits", "headway open 3f9a21c0 --print  # the path of that run's report"),
)
@click.option("--print", "only_print", is_flag=True, help="Print its path only.")
@click.argument("what", required=False, metavar="[EXPERIMENT|RUN]", shell_complete=offered("reports"))
@output_options
def open_command(what: str | None, only_print: bool, **options: Any) -> None:
    """Open the newest report of EXPERIMENT or RUN in the browser."""
    from pipeline.commands.open import open_report

    open_report(what, only_print or options["quiet"], options["json"])


@cli.command(
    short_help="Say why a step would run again.",
    examples=("headway why train digits", "headway why tune digits --set tuning.trials=25"),
    context_settings=_DOTTED,
)
@click.argument("step", shell_complete=offered("steps"))
@experiment_options
@output_options
def why(step: str, **options: Any) -> None:
    """Say which part of STEP's key changed since its last run."""
    from pipeline.commands.why import why as explain

    explain(step, as_request(options))


@cli.command(
    short_help="List runs: the best, the failed, the unfinished, ...",
    examples=("headway runs", "headway runs digits --question best"),
)
@click.argument("experiment", required=False, shell_complete=offered("experiments"))
@click.option(
    "--question",
    default="pipelines",
    metavar="NAME",
    help="pipelines, best, decisions, unfinished, failed or trials.",
    shell_complete=offered("questions"),
)
@output_options
def runs(experiment: str | None, question: str, **options: Any) -> None:
    """Answer a usual question on runs, such as which failed, and show how MLflow is asked the same."""
    from pipeline.commands.runs import runs as ask

    ask(experiment, question, options["json"])


@cli.command(
    short_help="Compare two runs: settings, data, code and metrics.",
    examples=("headway diff 3f9a21c0 81bb04de  # beginnings of their IDs: headway runs",),
)
@click.argument("first", metavar="RUN", shell_complete=offered("runs"))
@click.argument("second", metavar="RUN", shell_complete=offered("runs"))
@output_options
def diff(first: str, second: str, **options: Any) -> None:
    """Compare two runs: configuration, data, code and metrics, paired by seed."""
    from pipeline.commands.diff import diff as compare

    compare(first, second, options["json"])


@cli.command(
    short_help="Rebuild a run, and compare it bit by bit.",
    examples=("headway rerun 3f9a21c0  # the beginning of its ID: headway runs",),
)
@click.argument("run", shell_complete=offered("runs"))
@output_options
def rerun(run: str, **options: Any) -> None:
    """Rebuild a run or a trial from its tags and compare: bitwise equal, or the first validation that differs."""
    from pipeline.commands.rerun import rerun as rebuild

    rebuild(run, options["quiet"], options["json"])


@cli.command(
    short_help="Draft an experiment from a table, images or texts.",
    examples=(
        "headway init houses.csv --targets price,sold:binary",
        "headway init photos/ --labels labels.csv --name photos",
        "headway init reviews.jsonl --text --targets stars",
    ),
)
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--targets",
    default="",
    metavar="NAME[:KIND],...",
    help="What to predict, for example price:regression; a name with , : = or + in it as '\"a,b\":binary'.",
    shell_complete=offered("targets"),
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


@cli.command(
    short_help="Score a table or images with a registered model.",
    examples=(
        "headway predict --model models:/digits@champion --input new.csv --output y.csv",
        "headway predict digits --out-of-fold --output scored.parquet",
    ),
    context_settings=_DOTTED,
)
@click.option(
    "--model",
    default="",
    metavar="URI",
    help="For example models:/mnist_fashion@champion.",
    shell_complete=offered("models"),
)
@click.option(
    "--input", "source", type=click.Path(path_type=Path), help="CSV, TSV, JSON lines, Parquet, or image folder."
)
@click.option(
    "--out-of-fold",
    is_flag=True,
    help="Instead the rows that EXPERIMENT, or the model, was trained on, each by networks that never saw it.",
)
@click.option(
    "--source",
    "name",
    default="",
    metavar="NAME",
    help="Of these the source, where there are several.",
    shell_complete=offered("sources"),
)
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
    "--keep",
    metavar="NAME,...",
    help="Columns of the input to keep; by default all that are no inputs of the model.",
    shell_complete=offered("kept"),
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


@cli.command(
    short_help="Answer requests over HTTP with a registered model.",
    examples=("headway serve models:/digits@champion", "headway serve models:/digits/3 --port 0"),
)
@click.argument("model", shell_complete=offered("models"))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", default=5001, show_default=True, type=click.IntRange(0, 65535), help="0 takes one that is free."
)
@output_options
def serve(model: str, host: str, port: int, **options: Any) -> None:
    """Answer requests with MODEL, for example models:/mnist_fashion@champion."""
    from pipeline.commands.serve import serve as answer

    answer(model, host, port, options["quiet"])


@cli.command(
    short_help="Write a model for programs without Headway.",
    examples=(
        "headway export models:/digits@champion --onnx digits.onnx",
        "headway export models:/digits@champion --docker served/",
    ),
)
@click.argument("model", shell_complete=offered("models"))
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
    if COMPLETE in os.environ:
        from pipeline.commands.completion import prepare

        prepare()
    try:
        guarded(cli)
    finally:
        if "triton" not in sys.modules:  # it warns of objects that still exist at exit
            garbage_collection.freeze()


if __name__ == "__main__":
    main()
