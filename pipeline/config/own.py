"""Parts of the user's own, which an experiment names as `package.module:Name`."""

import re
from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator

from pipeline.config.base import unknown_name

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_own(name: str) -> bool:
    """Whether a kind is the path of a part of one's own, and none that is built in."""
    return ":" in name


def known(what: str, name: str, names: Collection[str], advice: str = "") -> str:
    """The name of a part: one that is built in, or the path of one's own.

    Raises:
        ValueError: It is neither.
    """
    if name in names or _PATH.fullmatch(name):
        return name
    raise unknown_name(what, name, names, f"{advice + ',' if advice else ', '.join(names)} or package.module:Class")


def _path(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise ValueError(f"a part of your own is named as package.module:Name, found '{path}'")
    return path


OwnPath = Annotated[str, AfterValidator(_path)]
