"""Checkpoints on any store: written whole, and what was cut short is as good as none."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import fsspec
import numpy as np
import pytest

from pipeline.errors import Failure, StudyStopped, UserError
from pipeline.training import places
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.places import Disk, Place, Store, check_place, place_of
from pipeline.training.slot import SlotState


def state(name: str = "seed/0") -> SlotState:
    return SlotState(name, arrays={"values": np.arange(600, dtype=np.float32), "count": np.array(3)})


@pytest.fixture(params=["folder", "file", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "memory":
        folder = f"memory://{uuid.uuid4().hex}"
        yield folder
        fsspec.filesystem("memory").store.clear()
    else:
        yield f"{'file://' if request.param == 'file' else ''}{tmp_path}/checkpoints"


def test_what_was_written_is_read_by_whoever_names_the_place(address: str) -> None:
    check_place(address)
    here, there = (Checkpoint(place_of(address) / "study" / "batch-0.safetensors") for _ in range(2))
    assert there.read() == {}
    here.write([state(), state("seed/1")])
    read = there.read()
    assert list(read) == ["seed/0", "seed/1"]
    for name, row in state().arrays.items():
        assert read["seed/0"].arrays[name].tobytes() == row.tobytes()
        assert read["seed/0"].arrays[name].flags.writeable
    here.write([state("seed/2")])
    assert list(there.read()) == ["seed/2"]
    there.remove()
    there.remove()
    assert here.read() == {}


def test_a_folder_is_deleted_with_all_in_it(address: str) -> None:
    place = place_of(address) / "study"
    for name in ("a", "b"):
        Checkpoint(place / f"{name}.safetensors").write([state()])
    place.delete_folder()
    place.delete_folder()
    assert Checkpoint(place / "a.safetensors").read() == {}


def content_of(place: Place) -> bytes:
    with place.local() as file:
        assert file is not None
        return file.read_bytes()


def damaged(content: bytes) -> dict[str, bytes]:
    middle = len(content) // 2
    return {
        "cut short": content[:middle],
        "cut by one": content[:-1],
        "empty": b"",
        "a bit": content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
        "a zeroed block": content[:middle] + bytes(64) + content[middle + 64 :],
        "its states": content.replace(b"seed/0", b"seed/7", 1),
        "more": content + b"x",
        "something else": b"not a checkpoint" * 100,
    }


@pytest.mark.parametrize("how", damaged(b" " * 200))
def test_a_damaged_file_is_as_good_as_none_and_said(how: str, address: str) -> None:
    said: list[str] = []
    place = place_of(address, said.append) / "c.safetensors"
    Checkpoint(place).write([state()])
    place.keeper.put(place.path, damaged(content_of(place))[how])
    assert Checkpoint(place).read() == {}
    assert len(said) == 1
    assert "is damaged: what it held is trained again" in said[0]


def test_a_file_of_an_earlier_version_has_no_checksum_and_is_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.training.checkpoint._checksum", lambda *_: "")
    Checkpoint(tmp_path / "c.safetensors").write([state()])
    monkeypatch.undo()
    assert list(Checkpoint(tmp_path / "c.safetensors").read()) == ["seed/0"]


class Full(Disk):
    """A disk that is full for a while."""

    full = True

    def put(self, path: str, content: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().put(path, content)


def test_a_place_that_fails_meanwhile_is_said_once_and_training_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    disk = Full()
    place = replace(place_of(str(tmp_path / "checkpoints"), said.append), keeper=disk) / "study"
    first, second = Checkpoint(place / "a.safetensors"), Checkpoint(place / "b.safetensors")
    first.write([state()])
    first.write([state()])
    second.write([state()])
    assert len(said) == 1
    assert "cannot be written (No space left on device): training goes on without" in said[0]
    disk.full = False
    second.write([state()])
    assert said[1].endswith("can be written again")
    assert list(second.read()) == ["seed/0"]


def test_the_projects_own_folder_fails_aloud(tmp_path: Path) -> None:
    place = replace(Place.here(tmp_path), keeper=Full())
    with pytest.raises(OSError, match="No space"):
        Checkpoint(place / "c.safetensors").write([state()])


def test_whoever_may_not_write_any_more_writes_nothing(tmp_path: Path) -> None:
    def lost() -> None:
        raise Failure("taken over")

    place = replace(place_of(str(tmp_path / "checkpoints")), allowed=lost) / "c.safetensors"
    with pytest.raises(Failure, match="taken over"):
        Checkpoint(place).write([state()])
    with pytest.raises(Failure, match="taken over"):
        Checkpoint(place).remove()
    assert not (tmp_path / "checkpoints").exists()


def test_training_that_is_to_end_ends_with_its_checkpoint_written(tmp_path: Path) -> None:
    ends: list[StudyStopped] = []
    place = replace(Place.here(tmp_path), ending=lambda: ends[0] if ends else None) / "c.safetensors"
    checkpoint = Checkpoint(place)
    assert not checkpoint.due()
    ends.append(StudyStopped("somebody"))
    assert checkpoint.due()
    with pytest.raises(StudyStopped, match="stopped by somebody"):
        checkpoint.write([state()])
    assert list(checkpoint.read()) == ["seed/0"]


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("", "names no place"),
        ("  ", "names no place"),
        ("nonsense9://bucket/folder", "Protocol not known: nonsense9"),
        ("memory:///", ""),
        ("no/such/folder", "lies in a folder that does not exist"),
        ("file:///no/such/folder", "lies in a folder that does not exist"),
        ("/dev/null", "is a device"),
        (__file__, "is a file"),
    ],
)
def test_a_wrong_address_is_a_users_mistake_in_one_line(address: str, line: str) -> None:
    if not line:
        check_place(address)
        return
    with pytest.raises(UserError, match=line) as caught:
        check_place(address)
    assert "\n" not in str(caught.value)


def test_a_store_whose_package_is_missing_says_which() -> None:
    if "s3" in fsspec.available_protocols() and find_spec("s3fs"):
        pytest.skip("s3fs is installed")
    with pytest.raises(UserError, match="needs a package that is not installed \\(Install s3fs"):
        check_place("s3://bucket/folder")


def test_a_place_that_cannot_be_written_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "Disk", Full)
    with pytest.raises(Failure, match=r"cannot be written \(No space left on device\)"):
        check_place(str(tmp_path / "checkpoints"))


def test_a_place_that_does_not_answer_is_known_in_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "_KNOWN_WITHIN_S", 0.05)
    monkeypatch.setattr(Disk, "put", lambda *_: time.sleep(1.0))
    with pytest.raises(Failure, match="did not answer within"):
        check_place(str(tmp_path / "checkpoints"))


def test_a_place_that_does_not_keep_what_it_is_given_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "put", lambda *_: None)
    with pytest.raises(Failure, match="not read"):
        check_place("memory://nowhere")


def test_an_address_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((UserError, Failure)) as caught:
        check_place("ftp://me:s3cret@127.0.0.1:1/folder")
    assert "s3cret" not in str(caught.value)
