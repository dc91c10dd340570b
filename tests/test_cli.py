"""The command line itself: light to start, one line for each mistake."""

import subprocess
import sys

import pytest

from pipeline.config.balancing import Balancing

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


def test_show_names_every_balancing_method_with_what_it_needs(project: object, headway: Headway) -> None:
    told = {it["method"]: it for it in headway("show", "--balancers", "--json").json}
    assert told.keys() == Balancing.choices.keys()
    assert told["famo"]["needs"] == ["losses", "losses_after"]
    assert told["cagrad"]["settings"] == {"c": 0.4}
    assert all(it["paper"] and it["about"] and it["cost_of_a_step"] >= 1.0 for it in told.values())
    lines = headway("show", "--balancers").out
    assert all(name in lines for name in Balancing.choices)


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
    "unknown method": (["train", "debug", "--set", "balancing.method=upgard"], "did you mean 'upgrad'"),
    "a setting of another method": (
        ["train", "debug", "--set", "balancing.method=upgrad", "--set", "balancing.c=0.4"], "does not use c=0.4"
    ),
    "a setting out of range": (
        ["train", "debug", "--set", "balancing.method=cagrad", "--set", "balancing.c=-1"], "balancing.c"
    ),
    "gradients of nothing shared": (
        ["train", "debug", "--set", "balancing.method=mgda", "--set", "model.sharing=separate"], "share"
    ),
    "gradients without layers": (
        ["train", "debug", "--set", "balancing.method=mgda", "--set", "model.trunk.widths=[]"], "give the trunk a width"
    ),
    "too few tasks": (["train", "debug", "--set", "balancing.method=krum"], "at least 3 tasks"),
    "weights that the method finds itself": (
        ["train", "debug", "--set", "balancing.method=mgda", "--set", "balancing.weights={mnist: 1, fashion: 2}"],
        "does not use weights",
    ),
    "representation without a Gramian": (
        ["train", "debug", "--set", "balancing.method=graddrop", "--set", "balancing.gradients=representation"],
        "balancing.gradients: input should be 'parameters'",
    ),
    "weights that are none": (
        ["train", "digits", "--set", "balancing.method=graddrop", "--set", "balancing.every=2"], "does not use every=2"
    ),
    "a scale of what has none": (
        ["train", "digits", "--set", "balancing.method=graddrop", "--set", "balancing.normalise=true"],
        "does not use normalise=True",
    ),
    "a norm that is scaled away": (
        ["train", "digits", "--set", "balancing.method=nash_mtl", "--set", "balancing.max_norm=2"], "normalise=false"
    ),
    "a nadir of another task": (
        ["train", "digits", "--set", "balancing.method=stch", "--set", "balancing.nadir={digit: 1}"], "the tasks are"
    ),
    "nothing to show": (["show"], "EXPERIMENT"),
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
