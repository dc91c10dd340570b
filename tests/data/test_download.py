import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from pipeline.data.sources import download
from pipeline.errors import Failure

from .files import quiet
from .mirror import Mirror, serving

NAME = "data.gz"
CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serving(Mirror({NAME: CONTENT})) as it:
        yield it


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "raw" / NAME


def kept(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_name(f"{NAME}.part").write_bytes(content)


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != ".lock")


def test_a_download_is_whole_and_reported_and_leaves_stderr_empty(mirror, target, monkeypatch, capsys):
    monkeypatch.setattr(download, "REPORT_EVERY_S", 0.0)
    lines: list[str] = []
    download.fetch(target, MD5, [mirror.url], lines.append)
    assert target.read_bytes() == CONTENT
    assert left(target) == [NAME]
    assert lines[0] == f"downloading {mirror.url}{NAME}"
    assert lines[-1] == f"{NAME}: 0.3 MB of 0.3 MB"
    assert capsys.readouterr() == ("", "")


def test_a_file_that_is_there_is_not_asked_for(mirror, target):
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    download.fetch(target, MD5, [mirror.url], quiet)
    assert mirror.asked == []


def test_a_file_that_is_there_but_wrong_is_replaced(mirror, target):
    target.parent.mkdir()
    target.write_bytes(CONTENT[:-1])
    download.fetch(target, MD5, [mirror.url], quiet)
    assert target.read_bytes() == CONTENT


def test_a_connection_that_breaks_is_gone_on_with_where_it_broke(mirror, target):
    mirror.cuts = [100_000, 50_000]
    download.fetch(target, MD5, [mirror.url], quiet)
    assert target.read_bytes() == CONTENT
    assert [wanted for _, wanted in mirror.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_what_an_interrupted_process_left_is_gone_on_with(mirror, target):
    kept(target, CONTENT[:200_000])
    lines: list[str] = []
    download.fetch(target, MD5, [mirror.url], lines.append)
    assert target.read_bytes() == CONTENT
    assert mirror.asked == [(NAME, "bytes=200000-")]
    assert lines == [f"downloading {mirror.url}{NAME}, going on after 0.2 MB"]


def test_a_server_without_ranges_sends_all_again(mirror, target):
    mirror.ranges, mirror.cuts = False, [100_000]
    download.fetch(target, MD5, [mirror.url], quiet)
    assert target.read_bytes() == CONTENT


def test_a_server_that_tells_no_length_is_held_to_the_checksum(mirror, target):
    mirror.sized = False
    download.fetch(target, MD5, [mirror.url], quiet)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"x" * 1000, b"x" * 400_000, CONTENT + b"x"])
def test_what_was_kept_and_does_not_fit_is_thrown_away(mirror, target, content):
    kept(target, content)
    download.fetch(target, MD5, [mirror.url], quiet)
    assert target.read_bytes() == CONTENT
    assert left(target) == [NAME]


def test_what_was_kept_whole_is_not_sent_again(mirror, target):
    kept(target, CONTENT)
    download.fetch(target, MD5, [mirror.url], quiet)
    assert mirror.asked == [(NAME, f"bytes={len(CONTENT)}-")]
    assert left(target) == [NAME]


def test_another_file_is_refused_and_deleted_in_one_line(mirror, target):
    mirror.files[NAME] = b"<html>please log in</html>"
    with pytest.raises(Failure) as problem:
        download.fetch(target, MD5, [mirror.url], quiet)
    assert str(problem.value).startswith(f"{NAME} could not be downloaded ({mirror.url}: wrong checksum, md5 ")
    assert MD5 in str(problem.value)
    assert "\n" not in str(problem.value)
    assert left(target) == []


def test_the_next_mirror_is_asked_when_one_fails(mirror, target):
    with serving(Mirror({})) as empty, serving(Mirror({NAME: b"something else"})) as wrong:
        download.fetch(target, MD5, [empty.url, wrong.url, mirror.url], quiet)
    assert target.read_bytes() == CONTENT


def test_a_failure_names_every_mirror_and_its_reason(mirror, target):
    mirror.files[NAME] = b"something else"
    with serving(Mirror({})) as empty, pytest.raises(Failure) as problem:
        download.fetch(target, MD5, [empty.url, mirror.url], quiet)
    assert f"{empty.url}: HTTP 404 Not Found; {mirror.url}: wrong checksum" in str(problem.value)
    assert str(problem.value).endswith("give data.root=FOLDER or use data.variant=sample")


def test_a_server_that_always_breaks_off_at_the_same_place_fails_and_what_came_is_kept(mirror, target):
    mirror.ranges, mirror.always_cut = False, 1000
    with pytest.raises(Failure, match="broke off after 1000 of 300000 bytes"):
        download.fetch(target, MD5, [mirror.url], quiet)
    assert left(target) == [f"{NAME}.part"]


def test_a_server_that_breaks_off_again_and_again_is_given_up(mirror, target):
    mirror.always_cut = 100
    with pytest.raises(Failure, match="broke off 20 times"):
        download.fetch(target, MD5, [mirror.url], quiet)


def test_a_server_that_sends_another_range_is_refused_and_nothing_is_kept(mirror, target):
    kept(target, CONTENT[:1000])
    mirror.shift = 7
    with pytest.raises(Failure, match="sent another range"):
        download.fetch(target, MD5, [mirror.url], quiet)
    assert left(target) == []


def test_a_server_that_sends_without_end_is_cut_off(mirror, target, monkeypatch):
    monkeypatch.setattr(download, "_LARGEST", 70_000)
    with pytest.raises(Failure, match="sends without end"):
        download.fetch(target, MD5, [mirror.url], quiet)
    assert left(target) == []


def test_a_dead_server_times_out(target, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Failure, match="timed out"):
        download.fetch(target, MD5, [f"http://127.0.0.1:{silent.getsockname()[1]}/"], quiet)


def test_without_a_network_one_line_says_what_to_do(target):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Failure) as problem:
        download.fetch(target, MD5, [f"http://127.0.0.1:{port}/"], quiet)
    assert "Connection refused" in str(problem.value)
    assert str(problem.value).endswith("give data.root=FOLDER or use data.variant=sample")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "raw").write_text("a file")
    with pytest.raises(Failure, match="cannot be written"):
        download.fetch(tmp_path / "raw" / NAME, MD5, [], quiet)


def test_a_second_download_into_the_folder_waits_for_the_first(mirror, target):
    target.parent.mkdir()
    first = FileLock(target.parent / "download.lock")
    first.acquire()
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        first.release()

    download.fetch(target, MD5, [mirror.url], report)
    assert lines[0].startswith("waiting for another download")
    assert target.read_bytes() == CONTENT
