"""What steps change in the caller's process is as before afterwards."""

import gc
import os
import signal
import threading
from pathlib import Path

import mlflow
import pytest
import torch

import headway
from headway.session import borrowed, console_of
from pipeline.commands.exit_codes import Stopped
from pipeline.errors import Diverged, Failure, UserError
from pipeline.training import numerics
from pipeline.urls import remember
from tests.headway.conftest import SETTINGS


def test_threads_signals_and_garbage_collection_are_given_back() -> None:
    def state() -> tuple:
        return (
            gc.get_threshold(),
            signal.getsignal(signal.SIGINT),
            torch.get_num_threads(),
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.allow_tf32,
        )

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        before = state()
        with borrowed():
            numerics.settle()
            numerics.settle()
            gc.set_threshold(5)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            assert torch.get_num_threads() == 1
        assert state() == before
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("named", [None, "sqlite:///elsewhere.db"])
def test_the_store_of_mlflow_is_given_back(here: Path, monkeypatch: pytest.MonkeyPatch, named: str | None) -> None:
    if named:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
    else:
        mlflow.set_tracking_uri(None)
    with borrowed():
        mlflow.set_tracking_uri("sqlite:///other.db")
        assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///other.db"
    assert os.environ.get("MLFLOW_TRACKING_URI") == named
    assert mlflow.is_tracking_uri_set() == bool(named)


def test_an_interruption_is_pythons_own() -> None:
    with pytest.raises(KeyboardInterrupt, match="resume=True goes on"), borrowed():
        raise Stopped(signal.SIGINT)
    with pytest.raises(SystemExit) as ended, borrowed():
        raise Stopped(signal.SIGTERM)
    assert ended.value.code == 143


@pytest.mark.parametrize("kind", [UserError, Failure, Diverged])
def test_errors_hold_no_password(kind: type[Exception]) -> None:
    remember("postgresql://me:hunter22@host/db")
    with pytest.raises(kind.__mro__[1] if kind is Diverged else kind) as error, borrowed():
        raise kind("postgresql://me:hunter22@host/db does not answer")
    assert "hunter22" not in str(error.value)
    with pytest.raises(kind, match="as it is"), borrowed():
        raise kind("as it is")


def test_steps_run_in_any_thread(done: headway.Result, here: Path) -> None:
    found = []
    thread = threading.Thread(
        target=lambda: found.append(headway.Experiment.load("debug", settings=SETTINGS).train(quiet=True))
    )
    thread.start()
    thread.join()
    assert found[0].steps["cached"].all()


def test_a_script_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    console = console_of(quiet=False)
    with console.bar("train", 3) as bar:
        bar.at(3)
    console.line("done")
    assert capsys.readouterr().out == "done\n"
