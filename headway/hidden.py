"""Finds out whether a file of the user's hides the package `pipeline`, which holds Headway's code."""

import importlib.util
import os
import sys
from pathlib import Path

_OURS = Path(__file__).parents[1] / "pipeline"


def check_not_hidden() -> None:
    """Check that `pipeline` is Headway's, and no module of that name that Python finds before it.

    Raises:
        ImportError: It is another one; the message says where that is.
    """
    found = _place()
    if found is not None and found.resolve() != _OURS.resolve():
        raise ImportError(
            f"{found} hides the package 'pipeline' that headway is made of: rename it, or start Python elsewhere"
        )


def leave_working_directory() -> None:
    """Search no modules in the working directory, as the command `headway` does, where `python -m` would search first.

    The project's folder is searched last, so parts of one's own are found.
    """
    first = Path(sys.path[0] if sys.path else "")
    if first.resolve() == Path.cwd().resolve() and first.resolve() != _OURS.parent.resolve():
        del sys.path[0]


def _place() -> Path | None:
    """The file or folder that `import pipeline` takes or has taken; None where there is none."""
    if module := sys.modules.get("pipeline"):
        origin, folders = getattr(module, "__file__", None), getattr(module, "__path__", [])
    else:
        spec = importlib.util.find_spec("pipeline")
        origin, folders = (spec.origin, spec.submodule_search_locations or []) if spec else (None, [])
    if origin and os.path.basename(origin) != "__init__.py":
        return Path(origin)
    return Path(origin).parent if origin else next(map(Path, folders), None)
