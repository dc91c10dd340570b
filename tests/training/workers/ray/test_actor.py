"""What a process on a node says of itself, and how it answers calls."""

import pickle
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.training.workers.ray import actor
from pipeline.training.workers.ray.actor import Actor, source_digest
from tests.conftest import REPOSITORY


class Counter:
    """Work that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def add(self, *numbers: int) -> int:
        self.calls += 1
        return sum(numbers)

    def fail(self) -> None:
        raise UserError("this cannot be")

    def fail_oddly(self) -> None:
        class OddError(Exception):
            pass

        raise OddError("a class that nobody else knows")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Actor:
    monkeypatch.setattr(actor.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return Actor(Counter)


def answer(found: bytes) -> Any:
    return pickle.loads(found)


def package(folder: Path, text: str = "") -> Path:
    (folder / "pipeline").mkdir(parents=True)
    (folder / "pipeline" / "__init__.py").write_text(text)
    return folder


def test_calls_are_of_one_worker_that_is_made_when_the_first_is(made: Actor) -> None:
    assert made._worker is None
    assert [answer(made.work("add", pickle.dumps((1, 2)))) for _ in range(2)] == [(True, 3)] * 2
    assert made._worker.calls == 2


def test_exceptions_are_answered_as_themselves_and_odd_ones_in_words(made: Actor) -> None:
    succeeded, error = answer(made.work("fail", pickle.dumps(())))
    assert (succeeded, type(error), str(error)) == (False, UserError, "this cannot be")
    succeeded, error = answer(made.work("fail_oddly", pickle.dumps(())))
    assert (succeeded, str(error)) == (False, "OddError: a class that nobody else knows")


def test_a_function_of_the_package_runs_by_its_name(made: Actor) -> None:
    assert answer(made.run("pipeline.plugins:named", pickle.dumps(("math:pi",)))) == (True, 3.141592653589793)
    succeeded, error = answer(made.run("pipeline.plugins:nothing", pickle.dumps(())))
    assert not succeeded
    assert "nothing" in str(error)


def test_the_package_that_is_installed_is_found_and_its_versions_told(made: Actor) -> None:
    digest = source_digest(REPOSITORY / "pipeline")
    about = made.about([str(REPOSITORY)], ["/somewhere"], digest)
    assert about["digest"] == digest
    assert about["python"] == platform.python_version()
    assert about["versions"]["torch"] == version("torch")


def test_of_several_the_one_that_is_wanted_is_found_and_searched_first(made: Actor, tmp_path: Path) -> None:
    wanted, other = package(tmp_path / "wanted", "1"), package(tmp_path / "other", "2")
    about = made.about([str(other), str(wanted)], [], source_digest(wanted / "pipeline"))
    assert about["folder"] == str(wanted)
    assert sys.path[0] == str(wanted)


def test_without_the_package_it_says_so(made: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "_installed", list)
    about = made.about([str(tmp_path)], [], "0" * 16)
    assert (about["digest"], about["folder"]) == (None, None)


def test_the_project_is_searched_last_though_ray_puts_it_first(made: Actor, tmp_path: Path) -> None:
    sys.path.insert(0, str(tmp_path))
    made.about([str(REPOSITORY)], [str(tmp_path)], "")
    assert sys.path.count(str(tmp_path)) == 1
    assert sys.path[-1] == str(tmp_path)


def test_a_digest_is_of_names_and_contents_of_python_files(tmp_path: Path) -> None:
    one, two = package(tmp_path / "one", "1") / "pipeline", package(tmp_path / "two", "1") / "pipeline"
    assert source_digest(one) == source_digest(two)
    (two / "notes.txt").write_text("no code")
    assert source_digest(one) == source_digest(two)
    (two / "more.py").touch()
    assert source_digest(one) != source_digest(two)
