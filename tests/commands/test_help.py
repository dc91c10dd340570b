"""Help: it fits the screen, shows each command its own options, and its examples are real."""

import shlex
from collections.abc import Iterator

import click
import pytest

from pipeline.cli import cli
from pipeline.commands.help import PROGRAM, Command, Group
from pipeline.commands.options import as_request
from pipeline.config import experiment_files, load
from pipeline.studies import STUDIES, study
from tests.conftest import REPOSITORY, Headway

SCREEN = (80, 50)


def all_of(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands with the words that call them, the group itself first."""
    yield words, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from all_of(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(all_of(cli))
EXAMPLES = [
    (words, example) for words, it in COMMANDS.items() if isinstance(it, Command | Group) for example in it.examples
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_the_screen_and_shows_examples(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, headway: Headway
) -> None:
    monkeypatch.setenv("COLUMNS", str(SCREEN[0]))
    told = headway(*words, "--help")
    lines = told.out.splitlines()
    assert (told.code, told.err) == (0, "")
    assert max(map(len, lines)) <= SCREEN[0], max(lines, key=len)
    assert len(lines) <= SCREEN[1]
    examples = lines[lines.index("Examples:") + 1 :]
    count = examples.index("")
    assert 1 <= count <= 3
    assert all(line.startswith(f"  {PROGRAM} ") or f"$({PROGRAM} " in line for line in examples[:count])


@pytest.mark.parametrize(("words", "example"), EXAMPLES, ids=[it[1] for it in EXAMPLES])
def test_an_example_is_a_command_line_that_would_run(words: tuple[str, ...], example: str) -> None:
    line = shlex.split(example.replace('"$(', "").replace(')"', "").partition(" > ")[0], comments=True)
    line = line[1:] if line[0] == "eval" else line
    assert line[0] == PROGRAM
    command, context, rest = cli, cli.make_context(PROGRAM, [*line[1:]], resilient_parsing=True), line[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, before = found, context
        if "--help" in rest:
            return
        context = click.Context(command, info_name=name, parent=before)
        if not isinstance(command, click.Group):
            context = command.make_context(name, [*rest], parent=before)
    values = context.params
    if "settings" in values and values["experiment"] in experiment_files(REPOSITORY):
        experiment = load(values["experiment"], as_request(values).values, REPOSITORY)
        if line[1] in STUDIES:
            study(line[1]).check(experiment)


def test_each_command_stands_in_one_section() -> None:
    told = [name for names in cli.sections.values() for name in names]
    assert sorted(told) == sorted(cli.commands)


def test_no_summary_is_cut_short(headway: Headway) -> None:
    lines = headway("--help").out.splitlines()[1:]
    assert [line for line in lines if line.endswith("...") and not line.endswith(", ...")] == []


def test_a_step_shows_options_of_its_own_alone() -> None:
    names = {
        words[-1]: {it for parameter in command.params for it in parameter.opts}
        for words, command in COMMANDS.items() if len(words) == 1
    }  # fmt: skip
    searched = {"--trials", "--budget", "--storage", "--promote"}
    assert not (searched | {"--checkpoints"}) & names["prepare"]
    assert not searched & names["train"]
    assert "--promote" not in names["tune"]
    assert searched | {"--checkpoints", "--resume", "--force"} <= names["run"]


@pytest.mark.parametrize("words", [(), ("study",)])
def test_without_a_command_the_help_is_shown(words: tuple[str, ...], headway: Headway) -> None:
    told = headway(*words)
    assert (told.code, told.err) == (0, "")
    assert told.out == headway(*words, "--help").out
    assert told.out.startswith(f"Usage: {' '.join((PROGRAM, *words))} [OPTIONS] COMMAND ...\n")
    assert len(told.out.splitlines()) > 10


MISTAKES = {
    ("trian", "digits"): "no command 'trian' (did you mean 'train'?)",
    ("frobnicate",): "no command 'frobnicate' (headway --help lists them)",
    ("study", "sho"): "no command 'sho' (did you mean 'show'?)",
    ("run", "digits", "--resum"): "no option '--resum' (did you mean '--resume'?)",
    ("run", "digits", "--epochs", "3"): "no option '--epochs' (did you mean '--training.epochs'?)",
    ("run", "digits", "--modle={}"): "no option '--modle' (did you mean '--model'?)",
    ("prepare", "digits", "--promote"): "no option '--promote' (headway prepare --help lists them)",
    ("runs", "degits"): "experiment 'degits': no such file in experiments/, and no run (did you mean 'digits'?)",
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_wrong_name_is_told_with_the_closest(project: object, words: tuple[str, ...], headway: Headway) -> None:
    told = headway(*words)
    assert (told.code, told.out, told.err) == (2, "", f"headway: {MISTAKES[words]}\n")


def test_settings_of_one_level_are_options_too() -> None:
    run = cli.commands["run"]
    given = ["digits", "--device", "cpu", "--training.epochs", "--3", "--seed=4"]
    context = run.make_context("run", given)
    assert as_request(context.params).values == {"device": "cpu", "training.epochs": "--3", "seed": 4}
