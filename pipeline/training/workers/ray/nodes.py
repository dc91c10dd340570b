"""Which nodes may train: those that have what the coordinator has, and compute the same bits."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.training.workers.ray.actor import LIBRARIES, source_digest, version_of

TOLERANCE = "equal within a tolerance"


def wanted(folder: Path) -> dict[str, Any]:
    """What a node must have: the versions here, and this package's source.

    Args:
        folder: That of this package.
    """
    return {
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in LIBRARIES},
        "digest": source_digest(folder),
    }


def difference(here: Mapping[str, Any], there: Mapping[str, Any]) -> str | None:
    """Why a node cannot train with the coordinator, in words that follow its name; None if it can.

    Args:
        here: See `wanted`.
        there: What a process on the node answered, see `Actor.about`.
    """
    if there["digest"] is None:
        return "has no Headway: install it there, or have this clone at the same path"
    for name, version in {"python": here["python"], **here["versions"]}.items():
        found = there["python"] if name == "python" else there["versions"][name]
        if found != version:
            return f"has {'no ' + name if found is None else f'{name} {found}'}, and this machine {version}"
    if there["digest"] != here["digest"]:
        return (
            f"has another version of Headway, in {there['folder']} (source {there['digest']}, and here "
            f"{here['digest']}): update it there"
        )
    return None


def refusal(here: str, there: str) -> str:
    """Why a node whose bits differ is refused, in words that follow its name."""
    return (
        f"computes other bits than this machine ({there}, and here {here}): another kind of processor or library; "
        "--mixed takes it, for results that are equal within a tolerance"
    )
