"""Sqlite logs ahead on this machine's own disks, and nowhere else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pipeline import sqlite
from pipeline.sqlite import checkpoint_wal, enable_wal, remove_stale_logs


def mode(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that says what is mounted where: a disk, a network's disk under `net`, and a disk under `net/own`."""
    file = tmp_path / "mounts"
    lines = ["/dev/a / ext4 rw 0 0", f"host:/b {tmp_path}/net ext4 rw 0 0", f"host:/b {tmp_path}/net nfs4 rw 0 0"]
    file.write_text("\n".join([*lines, f"/dev/c {tmp_path}/net/own xfs rw 0 0"]))
    (tmp_path / "net" / "own").mkdir(parents=True)
    monkeypatch.setattr(sqlite, "_MOUNTS", file)
    return file


def test_a_file_keeps_it_and_a_missing_one_is_made(mounts: Path, tmp_path: Path) -> None:
    assert enable_wal(tmp_path / "new.db")
    assert mode(tmp_path / "new.db") == "wal"
    assert enable_wal(tmp_path / "new.db")


@pytest.mark.parametrize(("folder", "expected"), [("net", "delete"), ("net/own", "wal"), (".", "wal")])
def test_the_disk_that_the_file_lies_on_decides(folder: str, expected: str, mounts: Path, tmp_path: Path) -> None:
    file = tmp_path / folder / "a.db"
    assert enable_wal(file) == (expected == "wal")
    assert mode(file) == expected


def test_where_nothing_is_known_of_disks_files_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_MOUNTS", tmp_path / "none")
    assert not enable_wal(tmp_path / "a.db")
    assert not (tmp_path / "a.db").exists()


def test_a_file_in_use_or_of_another_kind_is_left_to_who_opens_it(
    mounts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_S", 0.01)
    (tmp_path / "text.db").write_text("no database " * 100)
    assert not enable_wal(tmp_path / "text.db")
    with closing(sqlite3.connect(tmp_path / "busy.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE t (a)")
        other.execute("BEGIN IMMEDIATE")
        assert not enable_wal(tmp_path / "busy.db")
    assert mode(tmp_path / "busy.db") == "delete"


def test_what_lies_in_the_log_is_brought_into_the_file(mounts: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    enable_wal(file)
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE t (a)")
        other.commit()
        checkpoint_wal(file)
        (tmp_path / "copy.db").write_bytes(file.read_bytes())
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM t").fetchone() == (0,)
    checkpoint_wal(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_logs_go_with_their_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    logs = [tmp_path / f"a.db{end}" for end in ("-wal", "-shm", "-journal")]
    for path in (file, *logs):
        path.write_text("")
    remove_stale_logs(file)
    assert all(it.exists() for it in logs)
    file.unlink()
    remove_stale_logs(file)
    assert not any(it.exists() for it in logs)
    remove_stale_logs(file)
