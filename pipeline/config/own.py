"""Names of the user's own parts, which an experiment gives as `package.module:Name`."""

import re
from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator

from pipeline.config.base import unknown_name

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_own(name: str) -> bool:
    """Whether a name is the path of a user's own part, and not a built-in one."""
    return ":" in name


def known(what: str, name: str, names: Collection[str], advice: str = "") -> str:
    """Check the name of a part, which is a built-in name or the path of a user's own part, and return it.

    Raises:
        ValueError: The name is neither.
    """
    if name in names or _PATH.fullmatch(name):
        return name
    raise unknown_name(what, name, names, f"{advice + ',' if advice else ', '.join(names)} or package.module:Class")


def _path(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise ValueError(f"a part of your own is named as package.module:Name, found '{path}'")
    return path


OwnPath = Annotated[str, AfterValidator(_path)]
