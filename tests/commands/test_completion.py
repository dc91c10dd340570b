"""Completion, in the shells themselves where they are installed."""

import fcntl
import os
import pty
import re
import select
import shlex
import sqlite3
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

import click
import pandas as pd
import pytest
from click.shell_completion import CompletionItem

from pipeline.cli import cli
from pipeline.commands import completion
from pipeline.commands.help import COMPLETE, PROGRAM
from pipeline.commands.settings import settings
from pipeline.config import flatten, load, public
from pipeline.steps.runs.questions import QUESTIONS
from tests.conftest import REPOSITORY, Headway, go
from tests.tools import need

EXECUTABLE = f"""#!/bin/sh
PYTHONPATH='{REPOSITORY}' exec '{sys.executable}' -m headway "$@"
"""
RUN, OTHER = "3f9a21c04b5d4c0e8a1b2c3d4e5f6071", "3f00aa11bb22cc33dd44ee55ff660718"

STARTS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "bind 'set enable-bracketed-paste off' 2>/dev/null; set +o history; source {script}",
    ),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -D -u; source {script}"),
}
"""How a shell is started, and the first line that it is given."""

# What is typed before Tab, and what stands there after it: a unique completion and a space, but where a value follows.
TYPED = {
    "headway run my_": "headway run my_own ",
    "headway why ev": "headway why evaluate ",
    "headway rerun 3f": "headway rerun 3f9a21c0 ",
    "headway run digits --set training.sched": "headway run digits --set training.schedule=",
    "headway run digits --set device=cu": "headway run digits --set device=cuda ",
    "headway predict --model models:/digits@": "headway predict --model models:/digits@champion ",
    r"headway tune digits --arm single\ d": r"headway tune digits --arm single\ digit ",
    'headway study show digits --arm "single p': 'headway study show digits --arm "single parity" ',
    "headway predict digits --out-of-fold --source d": "headway predict digits --out-of-fold --source digits ",
    "headway init my.csv --targets age:reg": "headway init my.csv --targets age:regression ",
    "headway init my.csv --targets age,the": r"headway init my.csv --targets age,the\ \(final\)\ price ",
}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the command, and the scripts of all shells."""
    folder = tmp_path_factory.mktemp("tools")
    (folder / "headway").write_text(EXECUTABLE)
    (folder / "headway").chmod(0o755)
    for shell in ("bash", "zsh", "fish"):
        (folder / f"script.{shell}").write_text(completion.script(shell, cli))
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: Path) -> Path:
    """A project with an experiment, runs and a model, as the working directory, and the command on the path."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "MLproject").write_text("name: mine\n")
    (tmp_path / "my.csv").write_text("age;the (final) price;a,b\n1;2;3\n")
    (tmp_path / "experiments" / "my_own.yaml").write_text("# What I ask.\ntasks: {}\n")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as base:
        base.executescript(f"""
            CREATE TABLE runs (run_uuid TEXT, name TEXT, start_time INTEGER, lifecycle_stage TEXT);
            INSERT INTO runs VALUES ('{RUN}', 'digits', 1700000000000, 'active');
            INSERT INTO runs VALUES ('{OTHER}', 'train', 1700000000001, 'deleted');
            CREATE TABLE registered_model_aliases (name TEXT, alias TEXT, version INTEGER);
            INSERT INTO registered_model_aliases VALUES ('digits', 'champion', 2);
            CREATE TABLE model_versions (name TEXT, version INTEGER);
            INSERT INTO model_versions VALUES ('digits', 1), ('digits', 2);
        """)
    go(tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def in_terminal(shell: str, script: Path, lines: Iterable[str]) -> list[str]:
    """What a shell in a terminal makes of each line and Tab; it reads all at its own pace."""
    program, setup = STARTS[shell]
    typed = [setup.format(script=script), *(f"{line}\t#'\x01echo 'IS:" for line in lines), "exit"]
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(program[0], program, os.environ | {"TERM": "dumb", "PS1": "", "PS2": ""})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 2_000, 0, 0))
    os.write(terminal, "".join(f"{line}\r" for line in typed).encode())
    told, until = b"", time.monotonic() + 120
    with suppress(OSError):  # the terminal closes with the shell
        while time.monotonic() < until and (read := os.read(terminal, 65_536) if _ready(terminal) else b" "):
            told += read
    os.close(terminal)
    os.waitpid(process, 0)
    return re.findall(r"(?<=\n)IS:(.*)#", told.decode().replace("\r", "\n"))


def _ready(terminal: int) -> bool:
    return bool(select.select([terminal], [], [], 1.0)[0])


@pytest.mark.parametrize("shell", STARTS)
def test_a_line_is_completed_in_a_terminal(place: Path, tools: Path, shell: str) -> None:
    need(shell)
    assert in_terminal(shell, tools / f"script.{shell}", TYPED) == list(TYPED.values())


def fish_quoted(line: str) -> str:
    return "'" + line.replace("\\", "\\\\") + "'"


def test_a_line_is_completed_by_fish(place: Path, tools: Path) -> None:
    need("fish")
    lines = " ".join(map(fish_quoted, TYPED))
    program = f"source '{tools}/script.fish'; for line in {lines}; complete --do-complete $line; end"
    done = subprocess.run(["fish", "--no-config", "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    words = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert words == [shlex.split(after)[-1] for after in TYPED.values()]  # it adds spaces and quotes itself


def offered(line: str) -> list[str]:
    """What may follow, as the program answers a shell."""
    *words, incomplete = line.split(" ")
    asked = completion._Zsh(cli, {}, PROGRAM, COMPLETE)
    return [it.value for it in asked.get_completions(words[1:], incomplete)]


def test_names_are_those_of_the_project_and_shipped(place: Path) -> None:
    found = offered("headway run ")
    assert {"my_own", "digits", "census"} <= {*found}
    assert offered("headway run ./ex") == ["./ex"]  # a path: the shell completes it
    assert offered("headway study show my") == offered("headway runs my") == ["my_own"]
    assert offered("headway open 3f") == ["3f9a21c0"]
    assert offered("headway open my") == ["my_own"]


def test_what_is_said_of_a_name_is_the_files_first_line_and_the_runs_name(place: Path) -> None:
    asked = completion._Zsh(cli, {}, PROGRAM, COMPLETE)
    [own] = asked.get_completions(["run"], "my")
    [run] = asked.get_completions(["diff", RUN], "3f9")
    assert (own.help, run.help) == ("What I ask.", "digits, 2023-11-14 22:13")


def test_commands_steps_shells_and_questions_are_offered(place: Path) -> None:
    assert {"run", "train", "doctor"} <= {*offered("headway ")}
    assert {"prepare", "train", "compare"} <= {*offered("headway run digits --force ")}
    assert offered("headway completion ") == ["bash", "zsh", "fish"]
    assert offered("headway runs --question ") == [*QUESTIONS]
    assert offered("headway compare digits --methods famo,upg") == ["famo,upgrad"]
    assert "all" in offered("headway compare digits --methods ")
    assert offered("headway serve models:/digits") == [
        "models:/digits@champion", "models:/digits/2", "models:/digits/1"
    ]  # fmt: skip


def test_arms_are_those_of_the_job_and_with_a_study_those_of_the_storage(place: Path) -> None:
    alone = ["single digit", "single parity", "single at_least_five"]
    assert offered("headway tune digits --arm ") == offered("headway study best digits --arm ") == ["tuned", *alone]
    assert offered("headway tune digits --set tuning=null --arm ") == []
    assert offered("headway tune nothing_such --arm ") == []
    studies = {1: ("digits", "the shared network"), 2: ("digits", "upgrad"), 3: ("census", "famo")}
    for file in ("optuna.db", "other.db"):
        with closing(sqlite3.connect(place / file)) as base:
            base.execute("CREATE TABLE study_user_attributes (study_id INTEGER, key TEXT, value_json TEXT)")
            for study, (experiment, arm) in studies.items():
                rows = [(study, "experiment", f'"{experiment}"'), (study, "arm", f'"{arm}"')]
                base.executemany("INSERT INTO study_user_attributes VALUES (?, ?, ?)", rows)
            base.commit()
        studies = {1: ("digits", "equal")}
    assert offered("headway study show digits --arm ") == ["tuned", "upgrad"]
    assert offered("headway study show digits --storage sqlite:///other.db --arm ") == ["equal"]


def test_sources_columns_and_kinds_are_offered(place: Path) -> None:
    assert offered("headway predict mnist_fashion --out-of-fold --source ") == ["mnist", "fashion_mnist"]
    assert offered("headway init my.csv --targets ") == ["age", "the (final) price"]  # not a,b, which would be quoted
    assert offered("headway init my.csv --targets age:binary,") == ["age:binary,the (final) price"]
    assert "age:tagging" in offered("headway init my.csv --targets age:")
    (place / "new.jsonl").write_text('{"id": 1, "size": 2}\n')
    assert offered("headway predict --input new.jsonl --keep id,") == ["id,size"]
    pd.DataFrame({"id": [1]}).to_parquet(place / "new.parquet")
    assert offered("headway predict --input new.parquet --keep ") == ["id"]
    (place / "none.csv").write_bytes(b"\xff\xfe")
    assert offered("headway predict --input none.csv --keep ") == offered("headway init away.csv --targets ") == []


def test_clusters_are_offered_and_folders_for_checkpoints(place: Path) -> None:
    assert offered("headway train digits --engine ray --address ") == ["auto"]
    [folder] = completion._Zsh(cli, {}, PROGRAM, COMPLETE).get_completions(["train", "--checkpoints"], "a")
    assert (folder.type, folder.value) == ("dir", "a")


def test_every_option_that_takes_a_name_that_is_known_offers_it() -> None:
    free = {
        "--trials", "--budget", "--storage", "--seeds", "--networks", "--host", "--name", "--preference"
    }  # fmt: skip

    def silent(command: click.Command) -> set[str]:
        if isinstance(command, click.Group):
            return set().union(*map(silent, command.commands.values()))
        plain = (it for it in command.params if isinstance(it.type, click.types.StringParamType))
        return {it.opts[0] for it in plain if it._custom_shell_complete is None and not getattr(it, "is_flag", False)}

    assert silent(cli) == free


def test_settings_are_those_of_the_experiment_with_what_is_set_so_far(place: Path) -> None:
    assert "tasks.digit.loss=" in offered("headway run digits --set tasks.digit.")
    assert offered("headway run digits --set balancing.c") == []
    assert offered("headway run digits --set balancing.method=cagrad --set balancing.c") == ["balancing.c="]
    assert offered("headway why train digits --set tasks.digit.ki") == ["tasks.digit.kind="]
    assert offered("headway run digits --training.sched") == ["--training.schedule"]
    assert offered("headway run digits --training.schedule co") == ["constant", "cosine"]
    assert offered("headway run nothing_such --set device=") == ["device=auto", "device=cpu", "device=cuda"]
    assert "--resume" in offered("headway run digits --re")


def test_an_experiment_has_each_of_its_settings_once() -> None:
    experiment = load("digits", {}, REPOSITORY)
    known = settings(experiment)
    given = {key for key in flatten(public(experiment)) if not key.startswith(("tuning.space", "tuning.base"))}
    assert given <= known.keys()
    assert "multiclass" in known["tasks.digit.kind"]
    assert known["tuning"] == known["training.clip_norm"] == ("null",)
    assert known["training.nesterov"] == ("true", "false")


def test_a_store_that_is_a_server_busy_or_broken_offers_no_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(place / "mlflow.db")) as busy:
        busy.execute("BEGIN EXCLUSIVE")
        assert offered("headway rerun ") == []
    (place / "mlflow.db").write_text("no database " * 100)
    assert offered("headway rerun ") == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert offered("headway rerun ") == []


def test_a_broken_project_offers_what_ships(place: Path) -> None:
    (place / "MLproject").write_text("a: [b\n")
    assert "digits" in offered("headway run ")
    assert offered("headway rerun ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed(shell: str, headway: Headway) -> None:
    told = headway("completion", shell)
    assert (told.code, told.err) == (0, "")
    assert told.out == completion.script(shell, cli)
    assert f"{COMPLETE}={shell}_complete" in told.out


def test_bash_keeps_what_stands_before_the_ends_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "A=1 headway run digits --set a='b c' --set tuning.storage=x")
    monkeypatch.setenv("COMP_BREAKS", " =:")
    asked = completion._Bash(cli, {}, PROGRAM, COMPLETE)
    assert asked.get_completion_args() == (["run", "digits", "--set", "a=b c", "--set"], "tuning.storage=x")
    assert asked.format_completion(CompletionItem("tuning.storage=xyz")) == "plain,xyz"
    monkeypatch.setenv("COMP_BREAKS", " ")
    asked.get_completion_args()
    assert asked.format_completion(CompletionItem("tuning.storage=xyz")) == "plain,tuning.storage=xyz"


@pytest.mark.parametrize(
    ("typed", "told"), [("head a", r"a\ b\(c\)"), ("head 'a", "a b(c)"), ('head "x" a', r"a\ b\(c\)")]
)
def test_bash_is_told_names_as_it_would_read_them(monkeypatch: pytest.MonkeyPatch, typed: str, told: str) -> None:
    monkeypatch.setenv("COMP_WORDS", typed)
    asked = completion._Bash(cli, {}, PROGRAM, COMPLETE)
    asked.get_completion_args()
    assert asked.format_completion(CompletionItem("a b(c)")) == f"plain,{told}"
