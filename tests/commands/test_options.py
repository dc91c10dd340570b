"""What a command line asks for, before anything is run."""

import json
import shlex
from typing import Any

import pytest

from pipeline.commands.options import Request, as_request
from pipeline.errors import UserError
from tests.conftest import Result, call_headway


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Request]]:
    """What `headway` would do, which it does not."""
    found: list[tuple[str, Request]] = []
    monkeypatch.setattr("pipeline.commands.execute.execute", lambda name, request: found.append((name, request)))
    return found


def request(asked: list[tuple[str, Request]], *words: str) -> Request:
    told = call_headway(*words)
    assert (told.code, told.err) == (0, "")
    name, found = asked.pop()
    assert name == words[0]
    return found


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ([], {}),
        (["--set", "training.epochs=3", "--set", "device = cpu"], {"training.epochs": 3, "device": "cpu"}),
        (["--training.epochs", "3", "--tuning=null"], {"training.epochs": 3, "tuning": None}),
        (["--set", "data.root=a=b"], {"data.root": "a=b"}),
        (["--set", "training.epochs=3", "--training.epochs", "4"], {"training.epochs": 4}),
        (["--set", "model.trunk.widths=[8, 4]"], {"model.trunk.widths": [8, 4]}),
        (["--trials", "7", "--storage", "sqlite:///a.db"], {"tuning.trials": 7, "tuning.storage": "sqlite:///a.db"}),
    ],
)
def test_values_are_set_by_dotted_keys(
    asked: list[tuple[str, Request]], words: list[str], values: dict[str, Any]
) -> None:
    found = request(asked, "tune", "debug", *words)
    assert found == Request("debug", values)


def test_switches_are_passed_on(asked: list[tuple[str, Request]]) -> None:
    words = ["--resume", "--force", "train", "--force", "report", "--promote", "--budget", "10m", "--quiet", "--json"]
    found = request(asked, "run", "debug", *words)
    assert found == Request("debug", {}, True, frozenset({"train", "report"}), True, 600.0, quiet=True, as_json=True)


def test_the_options_of_a_study_are_short_for_its_settings(asked: list[tuple[str, Request]]) -> None:
    found = request(asked, "compare", "debug", "--methods", "famo,mgda", "--seeds", "3", "--trials", "8")
    assert found.values == {"compare.methods": "famo,mgda", "compare.seeds": 3, "compare.trials": 8}
    assert request(asked, "affinity", "debug", "--networks", "3").values == {"affinity.networks": 3}
    assert request(asked, "tune", "debug", "--arm", "equal").arm == "equal"


def test_where_networks_train_is_no_setting_but_that_machines_may_differ_is(asked: list[tuple[str, Request]]) -> None:
    found = request(asked, "run", "debug", "--engine", "ray", "--address", "auto", "--mixed")
    assert found == Request("debug", {"mixed": True}, engine="ray", address="auto")
    assert found.as_command("run") == "headway run debug --set mixed=true"


def test_flags_take_a_value_as_a_launcher_gives_it(asked: list[tuple[str, Request]]) -> None:
    words = ["--mixed", "true", "--resume", "True", "--promote", "false", "--training.epochs", "3", "--engine", "ray"]
    found = request(asked, "run", "debug", *words)
    assert found == Request("debug", {"mixed": True, "training.epochs": 3}, resume=True, engine="ray")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--set", "training.epochs"], "--set training.epochs: write key=value"),
        (["--training.epochs"], "--training.epochs has no value"),
        (["training.epochs=3"], "unexpected argument 'training.epochs=3'"),
        (["--force", "tran"], "--force tran: the steps are prepare, train, tune, select, evaluate, report"),
        (["--budget", "soon"], "--budget soon"),
        (["--budget", "0"], "--budget 0: a budget is more than 0"),
        (["--budget", "10m", "--trials", "3"], "--budget plans tuning.trials"),
        (["--address", "auto"], "--address auto is of a Ray cluster: add --engine ray, or leave it out"),
    ],
)
def test_a_mistake_is_named_with_its_option(asked: list[tuple[str, Request]], words: list[str], line: str) -> None:
    told: Result = call_headway("run", "debug", *words)
    assert (told.code, asked) == (2, [])
    assert told.err.startswith(f"headway: {line}")
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"data.root": "a folder's", "training.epochs": 3},
        {"tuning": None, "model.trunk.widths": [8], "balancing.weights": {"a": 1}},
    ],
)
def test_a_request_as_a_command_asks_the_same(asked: list[tuple[str, Request]], values: dict[str, Any]) -> None:
    wanted = Request("debug", values, arm="equal")
    program, *words = shlex.split(wanted.as_command("tune"))
    assert program == "headway"
    assert request(asked, *words) == wanted


@pytest.mark.parametrize("values", [{"tuning.storage": "{}"}, {"tuning": {"storage": "{}", "batch": 4}}])
def test_a_request_as_a_command_shows_no_password(values: dict[str, Any]) -> None:
    storage = "postgresql+psycopg://me:hidden@host/studies"
    given = json.loads(json.dumps(values).replace("{}", storage))
    shown = Request("debug", given).as_command("tune")
    assert "hidden" not in shown
    assert "postgresql+psycopg://host/studies" in shown


def test_where_checkpoints_are_kept_is_shown_without_a_password() -> None:
    options = {"experiment": "debug", "settings": (), "extra": (), "quiet": False, "json": False}
    found = as_request(options | {"checkpoints": "s3://me:s3cret@host/folder"})
    assert found.checkpoints == "s3://me:s3cret@host/folder"
    assert found.as_command("tune") == "headway tune debug --checkpoints s3://host/folder"
    assert as_request(options | {"checkpoints": None}).checkpoints == ""
    with pytest.raises(UserError, match="--checkpoints names no place"):
        as_request(options | {"checkpoints": " "})
