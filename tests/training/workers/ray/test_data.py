"""Prepared data come to a node: mapped where they are there, else shipped, checked, and kept by content."""

import os
import shutil
from collections import Counter, namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.plugins import named
from pipeline.training.workers.ray import data
from pipeline.training.workers.ray.data import Shipment, moved, write_parts


class Node:
    """Runs functions here as if it were a node elsewhere, in a cache of its own."""

    def __init__(self, sees: bool = False) -> None:
        self.sees, self.calls = sees, Counter[str]()

    def run(self, name: str, *args: Any) -> Any:
        self.calls[name.partition(":")[2]] += 1
        return "other" if name.endswith(":seen") and not self.sees else named(name)(*args)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADWAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "shipped"


@pytest.fixture
def small(digits: Prepared) -> Shipment:
    return Shipment(digits)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(it.relative_to(folder)): it.read_bytes() for it in folder.rglob("*.npy")}


def test_a_node_that_sees_the_same_files_maps_them_and_hashes_none(small: Shipment) -> None:
    node = Node(sees=True)
    assert small.place(node.run) == small.folder
    assert node.calls == {"seen": 1}
    assert "checksums" not in vars(small)


def test_a_copy_at_the_same_path_is_mapped_when_its_contents_are_equal(
    small: Shipment, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, real = Node(sees=True), data._stamp
    stamps = iter(range(10**6))
    monkeypatch.setattr(data, "_stamp", lambda path: (real(path)[0], next(stamps), 0))
    assert small.place(node.run) == small.folder
    assert node.calls == {"seen": 1, "is_whole": 1}


def test_what_is_not_there_is_shipped_in_chunks_without_the_test_split(
    small: Shipment, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "CHUNK", 1000)
    node = Node()
    place = small.place(node.run)
    assert place.parent == cache
    assert contents(place) == {name: it for name, it in contents(small.folder).items() if ".test." not in name}
    assert any(".test." in name for name in contents(small.folder))
    assert node.calls["receive"] > sum(map(len, contents(place).values())) // 1000
    assert [it.name for it in cache.iterdir()] == [small.name]


def test_what_was_shipped_before_is_checked_and_not_shipped_again(small: Shipment) -> None:
    place = small.place(Node().run)
    node = Node()
    assert small.place(node.run) == place
    assert node.calls == {"seen": 1, "kept": 1}
    damaged = next(place.glob("*.npy"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    assert small.place(node.run) == place
    assert node.calls["receive"] >= len(small.files)
    assert contents(place).items() <= contents(small.folder).items()


def test_two_commands_at_once_leave_one_folder(small: Shipment, cache: Path) -> None:
    node = Node()

    def late(name: str, *args: Any) -> Any:
        if name.endswith(":finish"):
            small.place(node.run)  # the other one is done first
        return node.run(name, *args)

    assert small.place(late) == cache / small.name
    assert [it.name for it in cache.iterdir()] == [small.name]


def failing(number: int, name: str) -> Callable[..., Any]:
    def run(called: str, *args: Any) -> Any:
        if called.endswith(f":{name}"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
                return named(called)(*args)
        return Node().run(called, *args)

    return run


def test_a_full_disk_is_said_and_leaves_nothing(small: Shipment, cache: Path) -> None:
    with pytest.raises(Failure, match=f"cannot be written to {cache}: No space left"):
        small.place(failing(28, "receive"))
    assert [*cache.iterdir()] == []


def test_without_room_nothing_is_sent(small: Shipment, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, usage = Node(), namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10))
    with pytest.raises(Failure, match=r"take \d+ MB, and .* has room for 0 MB: free some"):
        small.place(node.run)
    assert "receive" not in node.calls


def test_what_arrives_damaged_is_refused(small: Shipment, cache: Path) -> None:
    def run(name: str, *args: Any) -> Any:
        return Node().run(name, *((*args[:2], args[2][:-1]) if name.endswith(":receive") else args))

    with pytest.raises(Failure, match="did not arrive as they were sent"):
        small.place(run)
    assert [*cache.iterdir()] == []


def test_a_node_without_a_cache_takes_a_folder_for_temporary_files(
    small: Shipment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_CACHE", "")
    monkeypatch.setattr(data.tempfile, "gettempdir", lambda: str(tmp_path))
    assert small.place(Node().run).is_relative_to(tmp_path)


def test_moved_data_are_read_there_with_all_their_replicates(tmp_path: Path) -> None:
    inner = Prepared(tmp_path / "replicates" / "1", {}, {})
    whole = Prepared(tmp_path, {}, {}, replicates=(replace(inner, folder=tmp_path / "replicates" / "0"), inner))
    there = moved(whole, tmp_path, Path("/there"))
    assert [it.folder for it in (there, *there.replicates)] == [
        Path("/there"),
        Path("/there/replicates/0"),
        Path("/there/replicates/1"),
    ]
    assert moved(inner, tmp_path, Path("/there")).folder == Path("/there/replicates/1")
    assert moved(whole, tmp_path, tmp_path) is whole


def test_the_folder_of_a_replicate_is_shipped_as_the_whole(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").touch()
    assert data.outermost(Prepared(tmp_path / "replicates" / "1", {}, {})) == tmp_path
    assert data.outermost(Prepared(tmp_path, {}, {})) == tmp_path


def test_parts_of_the_users_own_are_written_once_by_content(tmp_path: Path) -> None:
    files = {"mine/__init__.py": b"", "mine/parts.py": b"x = 1"}
    folder = write_parts(files)
    assert (Path(folder) / "mine" / "parts.py").read_bytes() == b"x = 1"
    assert write_parts(files) == folder
    assert write_parts(files | {"mine/parts.py": b"x = 2"}) != folder
    assert len([*Path(folder).parent.iterdir()]) == 2
