"""The command line itself: light to start, one line for each mistake."""

import subprocess
import sys

import pytest

from .conftest import REPOSITORY, Headway

HEAVY = ("torch", "mlflow", "optuna", "pandas", "numpy", "torchvision", "sklearn", "scipy", "plotly", "torchmetrics")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"]])
def test_help_and_list_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nsys.argv = ['headway', *sys.argv[1:]]\n"
        "from pipeline.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert done.stderr == ""


def test_list_names_the_experiments_that_ship(project: object, headway: Headway) -> None:
    listed = headway("list", "--json")
    assert {it["experiment"] for it in listed.json} >= {"mnist_fashion", "mnist_fashion_separate", "digits", "debug"}
    assert all(it["purpose"] for it in listed.json)


SPACE = "tuning.space={model.trunk.dropout: {float: [0.5, 0.1]}}"

MISTAKES = {
    "no command": (["frobnicate"], "frobnicate"),
    "no experiment": (["run"], "EXPERIMENT"),
    "unknown experiment": (["run", "mnist_fashoin"], "did you mean 'mnist_fashion'"),
    "unknown key": (["run", "debug", "--set", "training.epoch=3"], "did you mean 'epochs'"),
    "unknown key by option": (["run", "debug", "--trainig.epochs", "3"], "did you mean 'training'"),
    "no value": (["run", "debug", "--training.epochs"], "has no value"),
    "no equals sign": (["run", "debug", "--set", "training.epochs"], "write key=value"),
    "wrong type": (["train", "debug", "--set", "training.epochs=many"], "training.epochs"),
    "out of range": (["train", "debug", "--set", "model.trunk.dropout=1.5"], "model.trunk.dropout"),
    "unknown source": (["prepare", "debug", "--set", "tasks={a: {kind: binary, source: digit}}"], "digits"),
    "unknown forced step": (["run", "debug", "--force", "trian"], "the steps are"),
    "no such root": (["prepare", "mnist_fashion", "--data.variant", "full", "--data.root", "nowhere"], "nowhere"),
    "space of an unknown key": (["tune", "debug", "--set", SPACE.replace("pout", "puot")], "dropuot"),
    "low above high": (["tune", "debug", "--set", SPACE], "lower bound"),
    "no validation": (["run", "debug", "--set", "data.validation=0"], "training.early_stopping=null"),
    "separate baseline that is none": (["run", "debug", "--set", "baselines.separate=nothing"], "baselines.separate"),
    "unknown run": (["diff", "abc", "def"], "no such run"),
    "unknown step": (["why", "trian", "debug"], "unknown step"),
    "tune without tuning": (["tune", "debug", "--set", "tuning=null"], "nothing to tune"),
    "a GPU that is not there": (["train", "debug", "--set", "device=cuda"], "device"),
    "storage of no kind": (["tune", "debug", "--storage", "nosuchdb://user:secret@host/x"], "tuning.storage"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_users_mistake_is_one_line_and_exit_code_2(mistake: str, project: object, headway: Headway) -> None:
    arguments, expected = MISTAKES[mistake]
    ended = headway(*arguments)
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert expected in ended.err
    assert "Traceback" not in ended.err
    assert "secret" not in ended.err


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        ("http://user:secret@127.0.0.1:9/x", ["train", "debug"]),
        ("postgresql://user:secret@127.0.0.1:9/x", ["train", "debug"]),
    ],
)
def test_a_tracking_server_that_does_not_answer_is_one_line_and_exit_code_1(
    variable: str, arguments: list[str], project: object, headway: Headway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", variable)
    ended = headway(*arguments)
    assert (ended.code, len(ended.err.splitlines())) == (1, 1)
    assert "127.0.0.1" in ended.err
    assert "secret" not in ended.err


def test_debug_lets_the_traceback_through(project: object, headway: Headway) -> None:
    with pytest.raises(ValueError, match="unknown experiment"):
        headway("run", "nothing_like_it", "--debug")
