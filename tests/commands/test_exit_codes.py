"""How a command ends: one line on stderr, and an exit code that says whose fault it is."""

import os
import signal
import sys
import time

import click
import pytest

from pipeline.commands import execute
from pipeline.commands.exit_codes import Stopped, guarded
from pipeline.errors import Failure, UserError


def ended(error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and stderr of a command that raises."""

    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["headway"])
    with pytest.raises(SystemExit) as end:
        guarded(command)
    return int(end.value.code or 0), capsys.readouterr().err.lstrip("\n")  # click ends the line of Ctrl-C's ^C


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("unknown key 'a'\n  in b.yaml"), 2, "unknown key 'a' in b.yaml"),
        (click.UsageError("Missing argument"), 2, "Missing argument"),
        (Failure("the store does not answer"), 1, "the store does not answer"),
        (RuntimeError("one\ntwo"), 1, "RuntimeError: one two (--debug shows where)"),
        (KeyboardInterrupt(), 128 + signal.SIGINT, "interrupted"),
        (Stopped(signal.SIGTERM), 128 + signal.SIGTERM, "interrupted; add --resume to go on"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_an_error_is_one_line_and_its_code(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error, monkeypatch, capsys) == (code, f"headway: {line}\n")


def test_ctrl_c_while_steps_run_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    @click.command()
    def command() -> None:
        with execute._signals_raise():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)

    monkeypatch.setattr(sys, "argv", ["headway"])
    try:
        with pytest.raises(SystemExit) as end:
            guarded(command)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert end.value.code == 128 + signal.SIGINT
    assert capsys.readouterr().err == "headway: interrupted; add --resume to go on\n"


def test_a_drivers_advertisement_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = RuntimeError("disk is full\n(Background on this error at: https://x)")
    line = "RuntimeError: disk is full (--debug shows where)"
    assert ended(error, monkeypatch, capsys) == (1, f"headway: {line}\n")
