"""`headway doctor`: what this machine and project have, and what would fail, a line each.

Each check stands alone and imports what it needs, so that a broken installation is told as well. Nothing is created but
files that are removed at once, and no package is imported to find out its version.
"""

import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from pipeline import machine
from pipeline.commands.exit_codes import FAILURE
from pipeline.deadline import LateError, answer_within
from pipeline.errors import Failure, UserError
from pipeline.printable import echo
from pipeline.urls import redacted, scrubbed

_PACKAGE = "headway"
_GIB = 2**30
_LEAST_MEMORY, _ENOUGH_MEMORY = _GIB // 2, 2 * _GIB
"""Bytes: what torch and mlflow take before any data, and what a small experiment does on two cores."""
_LEAST_DISK, _ENOUGH_DISK = _GIB // 10, 2 * _GIB
_ANSWERS_WITHIN_S = 8.0
_MOST_EXPERIMENTS = 100
_BUSY_S = 1.0
_Kind = Literal["ok", "warning", "problem"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        check: What was looked at.
        state: `problem` where a command would fail, `warning` where it may be slow, or not do what is expected.
        found: What there is.
        advice: What to do; empty where all is well.
    """

    check: str
    state: _Kind
    found: str
    advice: str = ""


def doctor(experiment: str, as_json: bool) -> None:
    """Print all checks; exits with 1 if there is a problem.

    Args:
        experiment: Name or path of one that is checked as well, with the storage of its studies; may be empty.
        as_json: Whether to print them as JSON.
    """
    checks = []
    for it in examined(experiment):
        checks.append(it)
        if not as_json:
            echo(f"{it.state:8} {it.check:12} {it.found}{f': {it.advice}' if it.advice else ''}")
    problems = sum(it.state == "problem" for it in checks)
    if as_json:
        print(json.dumps({"ok": not problems, "checks": [asdict(it) for it in checks]}))
    elif problems:
        echo(f"{problems} problem{'s' if problems > 1 else ''}: mend what is said above, then ask again")
    else:
        after = f"headway run {shlex.quote(experiment)}" if experiment else "headway list, then headway run EXPERIMENT"
        echo(f"nothing is in the way; go on with: {after}")
    if problems:
        sys.exit(FAILURE)


def examined(experiment: str = "") -> Iterator[Check]:
    """All checks, one after the other; one that fails itself is a problem, too."""
    own = {"experiment": partial(_experiment, experiment), "studies": partial(_studies, experiment)}
    for name, look in (_CHECKS | own if experiment else _CHECKS).items():
        try:
            state, found, *advice = look()
        except (UserError, Failure) as error:
            state, found, advice = "problem", str(error), []
        except Exception as error:
            state, found, advice = "problem", f"{type(error).__name__}: {error}", ["packages above may tell why"]
        yield Check(name, state, " ".join(scrubbed(found).split()), *map(scrubbed, advice))


_Told = tuple[_Kind, str] | tuple[_Kind, str, str]


def _python() -> _Told:
    from packaging.specifiers import SpecifierSet

    here = platform.python_version()
    wanted = importlib.metadata.metadata(_PACKAGE)["Requires-Python"]
    if SpecifierSet(wanted).contains(here, prereleases=True):
        return "ok", f"{here}, {sys.executable}"
    return "problem", f"{here}, {sys.executable}", f"Headway needs {wanted}: install it into another Python"


def _packages() -> _Told:
    """Versions against what Headway's metadata ask for."""
    from packaging.requirements import Requirement

    wanted = [Requirement(it) for it in importlib.metadata.requires(_PACKAGE) or ()]
    wanted = [it for it in wanted if it.marker is None or it.marker.evaluate({"extra": ""})]
    wrong = [said for it in wanted if (said := _mistake(it.name, str(it.specifier), it.specifier.contains))]
    if wrong:
        return "problem", "; ".join(wrong), "python -m pip install --upgrade headway, as it was installed"
    return "ok", f"all {len(wanted)} that are needed, torch {importlib.metadata.version('torch')}"


def _mistake(name: str, wanted: str, contains: Callable[..., bool]) -> str:
    """What is wrong with an installed package, if anything."""
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is missing"
    return "" if contains(found, prereleases=True) else f"{name} {found} is not {wanted}"


def _shadows() -> _Told:
    """Files that Python, started in the working directory or the project, would take for Headway's packages."""
    ours = Path(__file__).resolve().parents[2]
    folders = {Path.cwd().resolve(), _here().resolve()} - {ours}
    paths = [folder / name for folder in folders for name in ("pipeline", "headway")]
    found = [str(it) for it in paths if (it / "__init__.py").is_file()]
    found += [f"{it}.py" for it in paths if it.with_suffix(".py").is_file()]
    if not found:
        return "ok", f"nothing hides them; they are in {ours}"
    return (
        "warning",
        f"{', '.join(sorted(found))} would hide Headway's from notebooks and python -m started there",
        "rename it, or start Python elsewhere; the command headway itself is not concerned",
    )


def _here() -> Path:
    """The project folder; the working directory where MLproject is broken, which is a check of its own."""
    from pipeline.config import project_folder

    try:
        return project_folder(begin=True)
    except UserError:
        return Path.cwd()


def _cores() -> _Told:
    usable, installed, load = machine.cores(), os.cpu_count() or 1, machine.load()
    found = f"{usable}" if usable == installed else f"{usable} of {installed}, within the limits of this process"
    if load > 2 * usable:
        return "warning", f"{found}; {load:.0f} programs want them", "training takes longer until these end"
    return "ok", found


def _memory() -> _Told:
    left = machine.available_memory()
    found = f"{left / _GIB:.1f} GiB available"
    if left < _LEAST_MEMORY:
        return "problem", found, "end other programs, or raise the container's limit: torch alone needs half a GiB"
    if left < _ENOUGH_MEMORY:
        return "warning", found, "set processes=1, or end other programs"
    return "ok", found


def _disk() -> _Told:
    left = shutil.disk_usage(_here()).free
    found = f"{left / _GIB:.1f} GiB free for the project"
    if left < _LEAST_DISK:
        return "problem", found, "make room: runs, checkpoints and reports are written there"
    if left < _ENOUGH_DISK:
        return "warning", found, "make room before a longer study: checkpoints are written there"
    return "ok", found


def _project() -> _Told:
    from pipeline.config import project_folder
    from pipeline.config.project import MARKER

    project = project_folder(begin=True)
    if said := _unwritable(project):
        return "problem", said, "give yourself the right to write there, or work in another folder"
    if (project / MARKER).is_file():
        return "ok", f"{project}, writable"
    return "warning", f"no {MARKER} in {project} or above", "headway new FOLDER makes a project; results go here else"


def _experiments() -> _Told:
    from pipeline.config import experiment_files, is_shipped, load

    project = _here()
    files = experiment_files(project)
    own, wrong = [name for name, path in files.items() if not is_shipped(path)], []
    for name in own[:_MOST_EXPERIMENTS]:
        try:
            load(name, {}, project)
        except UserError as error:
            wrong.append(str(error))
    found = f"{len(own)} of your own, {len(files) - len(own)} that ship"
    if wrong:
        return "warning", f"{found}; {len(wrong)} cannot be read", wrong[0]
    return "ok", found


def _experiment(name: str) -> _Told:
    from pipeline.config import load

    experiment = load(name, {}, _here())
    tasks, sources = len(experiment.tasks), ", ".join(experiment.source_names)
    return "ok", f"{experiment.name}, {tasks} task{'s' if tasks > 1 else ''} on {sources}"


def _cache() -> _Told:
    from pipeline.user_cache import FOLDER, cache_folder

    if os.environ.get(FOLDER) == "":
        return "ok", f"none, as {FOLDER} is empty"
    folder = cache_folder()
    if folder is None or _unwritable(folder):
        return "warning", "cannot be written", f"set {FOLDER} to a folder that can; without it all takes longer"
    return "ok", f"{folder}, writable"


def _temporary() -> _Told:
    try:
        folder = Path(tempfile.gettempdir())
    except OSError:
        return "problem", "no temporary folder can be written", "set TMPDIR to one that can"
    left = shutil.disk_usage(folder).free
    if left < _LEAST_DISK:
        return "problem", f"{folder}, {left / 2**20:.0f} MiB free", "make room, or set TMPDIR to another folder"
    return "ok", f"{folder}, writable"


def _tracking() -> _Told:
    from pipeline.tracking.store import check_store, tracking_uri
    from pipeline.urls import sqlite_file

    uri = tracking_uri(_here())
    file = sqlite_file(uri)
    _in_time(lambda: check_store(uri), f"MLflow's store {redacted(uri)}")
    if file and not file.exists():
        return "ok", f"{redacted(uri)}, made by the first run"
    if file:
        tables = _tables(file, "MLflow's database")
        if "runs" not in tables:
            return "warning", f"{file} has no runs in it", "the next run makes it, or says what is wrong"
    return "ok", f"{redacted(uri)} answers"


def _studies(name: str = "") -> _Told:
    """The storage of an experiment's studies; without one that can be read, the storage of those that name none."""
    from pipeline.config import load
    from pipeline.steps.tune import storage_url
    from pipeline.urls import remember, sqlite_file

    project, experiment = _here(), None
    with suppress(UserError):  # which is a check of its own
        experiment = load(name, {}, project) if name else None
    if experiment and experiment.tuning is None:
        return "ok", f"none needed: {experiment.name} searches nothing"
    uri = storage_url(experiment, project)
    remember(uri)
    file = sqlite_file(uri)
    if file and not file.exists() and file.parent.is_dir():
        return "ok", f"{redacted(uri)}, made by the first study"
    if file:
        _tables(file, "the studies' database")
    else:
        from pipeline.tuning.storage import check_storage

        _in_time(lambda: check_storage(uri), f"the studies' storage {redacted(uri)}")
    return "ok", f"{redacted(uri)} answers"


def _gpu() -> _Told:
    from pipeline.steps.device import cuda, gpu_name

    count, version = cuda()
    torch = importlib.metadata.version("torch")
    if not version:
        return "ok", "no driver; networks train on the processor"
    known = f"CUDA {version // 1000}.{version % 1000 // 10}"
    if not count:
        return "warning", f"a driver with {known}, and no GPU that it can use", "device=cpu; nvidia-smi may tell why"
    found = f"{count} x {gpu_name()}, {known}, torch {torch}"
    built = torch.partition("+")[2]
    if built == "cpu":
        return "warning", found, "this torch is for processors only: install one for CUDA, or set device=cpu"
    if built.startswith("cu") and built[2:4].isdigit() and int(built[2:4]) > version // 1000:
        return "warning", found, "this torch is for a newer CUDA: update the driver, or set device=cpu"
    return "ok", found


def _unwritable(folder: Path) -> str:
    """Why no file can be written in a folder; empty if one can."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".headway-doctor-") as file:
            file.write(b"ok")
            file.flush()
    except OSError as error:
        return f"{folder} cannot be written ({error.strerror})"
    return ""


def _tables(file: Path, what: str) -> set[str]:
    """The tables of a database, which is not changed.

    Raises:
        Failure: It is no database, or cannot be read or written.
    """
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as connection:
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise Failure(f"{what} {file} cannot be read ({error}): move it away, or bring a copy back") from None
    if not os.access(file, os.W_OK):
        raise Failure(f"{what} {file} cannot be written: give yourself the right to")
    return found


def _in_time(look: Callable[[], _T], what: str) -> _T:
    """What a check answers, which may hang in a look-up of a name.

    Raises:
        Failure: It takes too long.
        Exception: What the check raised.
    """
    try:
        return answer_within(_ANSWERS_WITHIN_S, look)
    except LateError:
        raise Failure(
            f"{what} did not answer within {_ANSWERS_WITHIN_S:.0f} s: start it, or correct its address"
        ) from None


_CHECKS: dict[str, Callable[[], _Told]] = {
    "Python": _python,
    "packages": _packages,
    "names": _shadows,
    "cores": _cores,
    "memory": _memory,
    "disk": _disk,
    "project": _project,
    "experiments": _experiments,
    "cache": _cache,
    "temporary": _temporary,
    "runs": _tracking,
    "studies": _studies,
    "GPU": _gpu,
}
