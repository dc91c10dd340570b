"""Downloads that survive interruption: resumed where the server can, held to their md5, put in place whole.

torchvision's own `download_url` starts over, waits without end and draws its bar on stderr.
"""

import time
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from filelock import AcquireReturnProxy, FileLock, Timeout

from pipeline.data.sources import idx
from pipeline.data.sources.base import Report
from pipeline.errors import Failure

TIMEOUT_S = 20.0
"""How long a server may say nothing."""
REPORT_EVERY_S = 2.0
_ATTEMPTS = 20
"""Times that a download which broke off is gone on with, as long as each attempt brings something."""
_CHUNK = 2**16
_LARGEST = 2**30
"""Bytes after which a server is not sending what was asked for."""


class _AnotherFileError(OSError):
    """What a server sends is not what was asked for."""


def fetch(target: Path, md5: str, mirrors: Sequence[str], report: Report) -> None:
    """See that a file is there: nothing is done where it is, and what came of it before is gone on with.

    What has come is kept beside the target as `<name>.part` until it is whole and right.

    Args:
        target: The file; its name is asked of the mirrors.
        md5: Its checksum.
        mirrors: Addresses of folders, tried in turn.
        report: Told what comes from where, and how much.

    Raises:
        Failure: No mirror gave the file.
    """
    part = target.with_name(f"{target.name}.part")
    problems = []
    with _alone(target.parent, report):
        if intact(target, md5):
            return
        target.unlink(missing_ok=True)
        for mirror in mirrors:
            try:
                _complete(f"{mirror.rstrip('/')}/{target.name}", part, md5, report)
                part.replace(target)
                return
            except (OSError, HTTPException) as error:
                problems.append(f"{mirror}: {_reason(error)}")
    raise Failure(
        f"{target.name} could not be downloaded ({'; '.join(problems)}): "
        "give data.root=FOLDER or use data.variant=sample"
    )


def intact(path: Path, md5: str) -> bool:
    """Whether a file is there and has its checksum."""
    return path.is_file() and idx.checksum(path, "md5") == md5


def _alone(folder: Path, report: Report) -> AcquireReturnProxy:
    """The lock under which one process at a time writes downloads into a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "download.lock")
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            report(f"waiting for another download into {folder}")
            return lock.acquire()
    except OSError as error:
        raise Failure(f"{folder}: cannot be written ({error.strerror})") from None


def _complete(url: str, part: Path, md5: str, report: Report) -> None:
    """Receive until the part is the whole file.

    Raises:
        OSError: The server cannot be reached, breaks off without having sent anything new, or sends another file.
    """
    for _ in range(_ATTEMPTS):
        before = _size(part)
        try:
            _receive(url, part, report)
        except _AnotherFileError:
            part.unlink(missing_ok=True)
            raise
        except (OSError, HTTPException):
            if _size(part) <= before:
                raise
            continue
        found = idx.checksum(part, "md5")
        if found == md5:
            return
        part.unlink()
        if before == 0:
            raise _AnotherFileError(f"wrong checksum, md5 {found} where {md5} is expected")
        report(f"{part.stem}: what was kept of it does not fit, starting over")
    raise ConnectionError(f"broke off {_ATTEMPTS} times")


def _receive(url: str, part: Path, report: Report) -> None:
    """Ask once for what is missing, and append it; or write all of it where the server sends all."""
    start = _size(part)
    headers = {"User-Agent": "headway", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    report(f"downloading {url}{f', going on after {_megabytes(start)}' if start else ''}")
    try:
        response = urlopen(Request(url, headers=headers), timeout=TIMEOUT_S)  # noqa: S310 (mirrors are http or https)
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:  # nothing lies beyond what we have: the checksum tells whether it is right
            return
        raise
    with response:
        if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _AnotherFileError("sent another range than was asked for")
        start = start if response.status == 206 else 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else None
        _write(response, part, start, total, report)


def _write(response: HTTPResponse, part: Path, start: int, total: int | None, report: Report) -> None:
    got, said = start, time.monotonic()
    with part.open("ab" if start else "wb") as file:
        while chunk := response.read1(_CHUNK):
            file.write(chunk)
            got += len(chunk)
            if got > _LARGEST:
                raise _AnotherFileError("sends without end")
            if time.monotonic() - said >= REPORT_EVERY_S:
                said = time.monotonic()
                report(f"{part.stem}: {_megabytes(got)}{f' of {_megabytes(total)}' if total else ''}")
    if total is not None and got < total:
        raise ConnectionError(f"broke off after {got} of {total} bytes")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP {error.code} {error.reason}"
    return str(error.reason if isinstance(error, URLError) else error) or type(error).__name__
