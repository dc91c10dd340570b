"""MLflow's database is made whole or not at all, mended where it is half-made, and follows the project's folder."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pipeline.errors import Failure
from pipeline.tracking import database, tags
from pipeline.tracking.tracker import Tracker
from pipeline.user_cache import FOLDER
from tests.compatibility.make import HERE
from tests.conftest import REPOSITORY, go


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as base:
        return base.execute(query).fetchall()


def addresses(file: Path) -> set[str]:
    """All addresses of artifacts."""
    queries = [f"SELECT {column} FROM {table} WHERE {column} LIKE '%/%'" for table, column in database._ADDRESSES]
    return {str(address) for query in queries for (address,) in rows(file, query)}


def artifact(tracker: Tracker, run_id: str, folder: Path) -> str | None:
    path = tracker.artifact(run_id, "a.txt", folder)
    return path.read_text() if path else None


@pytest.fixture(params=["project", "my 100% data+"])
def used(request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A project with a run, an artifact, a logged model and a version of it; and the run's ID."""
    folder = project.rename(project.with_name(request.param))
    go(folder, monkeypatch)
    tracker = Tracker(folder, "one")
    run = tracker.start("step", {tags.KEY: "k"})
    run.text("before", "a.txt")
    model = tracker.client.create_logged_model(tracker.experiment_id, "m", run.id)
    tracker.client.create_registered_model("m")
    tracker.client.create_model_version("m", model.artifact_location, run.id)
    return folder, run.id


def test_a_moved_project_opens_what_it_has_and_its_old_folder_does_not_come_back(
    used: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, run_id = used
    now = before.rename(tmp_path / "moved %20here?#")
    go(now, monkeypatch)
    tracker = Tracker(now, "one")
    assert capsys.readouterr().err.splitlines() == [
        f"headway: the project lay in {before} before: MLflow's addresses of its artifacts were changed"
    ]
    assert artifact(tracker, run_id, tmp_path) == "before"
    run = tracker.start("step", {})
    run.text("after", "a.txt")
    assert artifact(tracker, run.id, tmp_path) == "after"
    assert not [it for it in addresses(now / "mlflow.db") if it.removeprefix("file://").startswith(str(before))]
    assert not before.exists()
    Tracker(now, "one")
    assert capsys.readouterr().err == ""


def test_a_copy_leaves_the_original_alone(
    used: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, run_id = used
    held = rows(original / "mlflow.db", "SELECT * FROM runs"), addresses(original / "mlflow.db")
    files = sorted((original / "mlruns").rglob("*"))
    copy = shutil.copytree(original, tmp_path / "copy", symlinks=True)
    shutil.rmtree(original / ".headway")  # which no command in the copy makes again
    go(copy, monkeypatch)
    tracker = Tracker(copy, "one")
    run = tracker.start("step", {})
    run.text("mine", "a.txt")
    assert artifact(tracker, run.id, tmp_path) == "mine"
    assert artifact(tracker, run_id, tmp_path) == "before"
    tracker.client.log_text(run_id, "changed", "a.txt")
    assert artifact(tracker, run_id, tmp_path) == "changed"
    assert (rows(original / "mlflow.db", "SELECT * FROM runs"), addresses(original / "mlflow.db")) == held
    assert sorted((original / "mlruns").rglob("*")) == files
    assert next((original / "mlruns").rglob("a.txt")).read_text() == "before"
    assert not (original / ".headway").exists()


@pytest.mark.parametrize("opened_in", [".", "experiments"])
def test_a_store_of_an_earlier_version_has_no_record_and_follows_too(
    opened_in: str, used: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, run_id = used
    with closing(sqlite3.connect(before / "mlflow.db")) as base, base:
        base.execute("DELETE FROM experiment_tags")
        location = str((before / opened_in / "mlruns" / "0").resolve())  # as MLflow wrote it, for a working folder
        base.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0", (location,))
    now = before.rename(tmp_path / "moved")
    go(now, monkeypatch)
    assert artifact(Tracker(now, "one"), run_id, tmp_path) == "before"
    assert not [it for it in addresses(now / "mlflow.db") if str(now) not in it]


def test_one_folder_under_two_names_is_no_move(
    used: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project, _ = used
    (tmp_path / "link").symlink_to(project)
    held = addresses(project / "mlflow.db")
    assert database.ready(project / "mlflow.db", tmp_path / "link") == []
    assert addresses(project / "mlflow.db") == held


def test_what_lies_elsewhere_stays_where_it_is(
    used: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = used
    elsewhere = {"s3://bucket/runs", f"file://{before}-other/mlruns", f"{tmp_path}/shared/mlruns"}
    client = Tracker(before, None).client
    for address in elsewhere:
        client.create_experiment(address.replace("/", "_"), artifact_location=address)
    now = before.rename(tmp_path / "moved")
    go(now, monkeypatch)
    Tracker(now, None)
    assert elsewhere <= addresses(now / "mlflow.db")


class Stop(BaseException):
    """Ends the making of a database."""


@contextmanager
def stopped_after(statements: int) -> Iterator[None]:
    """Every engine raises `Stop` after so many statements."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    done = [0]

    def count(*_: object) -> None:
        done[0] += 1
        if done[0] > statements:
            raise Stop

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield
    except Stop:
        pass
    finally:
        event.remove(Engine, "before_cursor_execute", count)


@pytest.mark.parametrize("statements", [5, 60, 300, 1300])
def test_what_mlflow_left_half_made_is_made_again_and_said(
    statements: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_STILL_S", 0.01)
    file = tmp_path / "mlflow.db"
    with stopped_after(statements):
        database._make_schema(file)  # in its place, as MLflow does
    assert database.ready(file, tmp_path) == [f"{file} was left half-made, with nothing in it: it was made again"]
    assert rows(file, "SELECT name FROM experiments") == [("Default",)]
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    assert Tracker(tmp_path, "one").start("step", {}).id
    assert database.ready(file, tmp_path) == []


def test_a_database_that_is_being_made_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_STILL_S", 20.0)
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom pipeline.tracking.store import prepare_environment\n"
        "prepare_environment()\nfrom sqlalchemy import event\nfrom sqlalchemy.engine import Engine\n"
        "from pipeline.tracking.database import _make_schema\nseen = []\n"
        "def slow(*_):\n    seen.append(1)\n    if len(seen) == 20: print('begun', flush=True)\n"
        "event.listen(Engine, 'before_cursor_execute', slow)\n_make_schema(Path(sys.argv[1]))\n"
    )
    file = tmp_path / "mlflow.db"
    with subprocess.Popen([sys.executable, "-c", program, file], stdout=subprocess.PIPE, text=True) as making:
        assert making.stdout is not None
        assert making.stdout.readline() == "begun\n"
        assert database.ready(file, tmp_path) == []
        assert making.wait() == 0
    assert rows(file, "SELECT version_num FROM alembic_version") == [(database._current_revision(),)]


@pytest.fixture
def of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with runs whose schema is not this MLflow's."""
    import tarfile

    monkeypatch.setattr(database, "_STILL_S", 0.01)
    with tarfile.open(HERE / "study.tar.xz") as archive:
        archive.extract("study/mlflow.db", tmp_path, filter="data")
    file = tmp_path / "study" / "mlflow.db"
    if rows(file, "SELECT version_num FROM alembic_version") == [(database._current_revision(),)]:
        monkeypatch.setattr(database, "_current_revision", lambda: "a later one")
    return file


def test_the_schema_of_another_version_is_brought_up_in_a_copy(of_before: Path) -> None:
    runs = rows(of_before, "SELECT run_uuid, name, status FROM runs ORDER BY run_uuid")
    said = database.ready(of_before, of_before.parent)
    assert said[0] == f"{of_before} was of another version of MLflow: it has the tables of this one now"
    assert rows(of_before, "SELECT run_uuid, name, status FROM runs ORDER BY run_uuid") == runs != []


def test_a_schema_that_cannot_be_brought_up_is_left_as_it_is(of_before: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(new: Path) -> None:
        with closing(sqlite3.connect(new)) as base:
            base.execute("DROP TABLE metrics")
        raise RuntimeError("no such revision")

    monkeypatch.setattr(database, "_make_schema", fails)
    held = rows(of_before, "SELECT name, sql FROM sqlite_master"), rows(of_before, "SELECT * FROM runs")
    with pytest.raises(Failure, match=r"mlflow.db cannot be made \(no such revision\)"):
        database.ready(of_before, of_before.parent)
    assert (rows(of_before, "SELECT name, sql FROM sqlite_master"), rows(of_before, "SELECT * FROM runs")) == held
    assert os.listdir(of_before.parent) == ["mlflow.db"]


FULL = """
import resource, sys
from pathlib import Path
from pipeline.tracking.store import prepare_environment
prepare_environment()
from pipeline.errors import Failure
from pipeline.tracking.database import ready
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    ready(Path(sys.argv[1], "mlflow.db"), Path(sys.argv[1]))
except Failure as error:
    print(error)
"""


@pytest.mark.parametrize("cached", [True, False], ids=["with a template", "without a cache"])
def test_on_a_full_disk_nothing_half_made_is_left(cached: bool, tmp_path: Path) -> None:
    own = os.environ | {"PYTHONPATH": str(REPOSITORY)} | ({} if cached else {FOLDER: ""})
    command = [sys.executable, "-c", FULL, str(tmp_path), "300000"]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"the database {tmp_path / 'mlflow.db'} cannot be made (")
    assert (len(done.stdout.splitlines()), done.stderr, os.listdir(tmp_path)) == (1, "", [])
    assert database.ready(tmp_path / "mlflow.db", tmp_path) == []


KILLS = """
import os, signal, sys, time
from pathlib import Path
from pipeline.tracking.store import prepare_environment
prepare_environment()
import mlflow
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from pipeline.cli import cli
from pipeline.commands.exit_codes import guarded
from pipeline.tracking import database

database._STILL_S = 0.1

def first(project, by_mlflow):
    # What `mlflow run` and earlier versions do, or a command of Headway's.
    os.chdir(project)
    if by_mlflow:
        SqlAlchemyStore(f"sqlite:///{project}/mlflow.db", "mlruns")
        return
    sys.argv = ["headway", "show", "debug", "--json"]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    guarded(cli)

def forked(project, by_mlflow, after_s=None):
    started, child = time.monotonic(), os.fork()
    if not child:
        try:
            first(project, by_mlflow)
        except SystemExit as end:
            os._exit(end.code or 0)
        except BaseException as error:
            print(error)
            os._exit(99)
        os._exit(0)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1], time.monotonic() - started

folder, count = Path(sys.argv[1]), int(sys.argv[2])
def project(number):
    made = folder / str(number)
    (made / "experiments").mkdir(parents=True)
    (made / "MLproject").touch()
    (made / "experiments" / "debug.yaml").write_text(Path(sys.argv[3]).read_text())
    return made

takes = {by: forked(project(f"whole{by}"), by)[1] for by in (False, True)}
for number in range(count):
    by, here = number % 2 == 1, project(number)
    forked(here, by, takes[by] * (number + 0.5) / count)
    status, _ = forked(here, False)
    print(number, status, sorted(path.name for path in here.iterdir()))
"""


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_a_first_command_killed_at_any_moment_is_followed_by_one_that_ends_well(kills: int, tmp_path: Path) -> None:
    own = os.environ | {"PYTHONPATH": str(REPOSITORY), FOLDER: ""}
    own.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-c", KILLS, str(tmp_path), str(kills), str(REPOSITORY / "experiments" / "debug.yaml")]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)
    ends = done.stdout.splitlines()
    assert [line for line in ends if line.split()[1] != "0"] == []
    assert len(ends) == kills
    assert ".mlflow.db.new" not in done.stdout
    assert set(done.stderr.splitlines()) <= {
        f"headway: {tmp_path}/{number}/mlflow.db was left half-made, with nothing in it: it was made again"
        for number in range(kills)
    }
