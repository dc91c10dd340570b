"""Files that are given by name: only regular files and folders are read."""

import os
import stat
from pathlib import Path

from pipeline.errors import UserError

_KINDS = {
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_regular(path: str | os.PathLike[str], what: str = "") -> None:
    """Refuse what is no regular file or folder, since to read a pipe may never end, and names that no store takes.

    Args:
        path: Of what may not be there at all, which is left to whoever opens it.
        what: What it is given as, for the message.

    Raises:
        UserError: It is a pipe, a socket or a device, or a file of `/proc` or `/sys`, or its name is not UTF-8.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{what}{': ' if what else ''}{path}: the name is not UTF-8: rename it") from None
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    kind = _KINDS.get(stat.S_IFMT(mode))
    if kind is None and Path(os.path.realpath(path)).parts[1:2] in (("proc",), ("sys",)):
        kind = "no file on a disk"
    if kind is not None:
        raise UserError(f"{what}{': ' if what else ''}{path} is {kind}: give a regular file or a folder")
