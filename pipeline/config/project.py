"""The project folder, to which all paths are relative; the experiments in it, and those that ship."""

import os
from functools import cache
from pathlib import Path

import yaml

from pipeline.errors import UserError

MARKER = "MLproject"
WORK = ".headway"
"""The folder of outputs, checkpoints and locks in a project."""

_PACKAGES = Path(__file__).parents[2]
_INSTALLED = Path("headway", "experiments")  # `setup.py` puts them there
_LIST = "shipped.txt"
_AROUND = (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)


def project_folder(begin: bool = False) -> Path:
    """The nearest folder, from the working directory upward, that contains MLproject.

    Without one it is the working directory, if Headway has worked there before or may begin to. Where the environment
    names the store of the runs, nothing is asked for in the folder, and it may be any.

    Args:
        begin: Whether a new project may begin here.

    Raises:
        UserError: There is no project here, or MLproject is broken.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            _check(folder / MARKER)
            return folder
    if begin or (here / WORK).is_dir() or os.environ.get("MLFLOW_TRACKING_URI"):
        return here
    raise UserError(
        f"no {MARKER} in {here} or above it: change into the project's folder, or make one by: headway new FOLDER"
    )


def begins(project: Path) -> str:
    """A sentence where a folder without MLproject becomes a project now; else nothing."""
    if (project / MARKER).is_file() or (project / WORK).is_dir():
        return ""
    return f"no {MARKER} here or above: results go into {project}"


def experiment_files(project: Path | None) -> dict[str, Path]:
    """The files in the project's `experiments/` and those that ship, by name; the project's own go before.

    Args:
        project: The project folder; None for those that ship alone.
    """
    own = sorted((project / "experiments").glob("*.yaml")) if project else []
    return dict(sorted((shipped_files() | {path.stem: path for path in own}).items()))


@cache
def shipped_folder() -> Path:
    """The folder `experiments` that ships: in a clone its own, in an installation data of the package `headway`."""
    installed = _PACKAGES / _INSTALLED
    return installed if installed.is_dir() else _PACKAGES / "experiments"


def shipped_files() -> dict[str, Path]:
    """The experiments that ship, by name; in a clone, others may lie beside them."""
    folder = shipped_folder()
    try:
        names = (folder / _LIST).read_text(encoding="utf-8").split()
    except OSError:
        return {}
    return {Path(name).stem: folder / name for name in names if name.endswith(".yaml")}


def is_shipped(path: Path) -> bool:
    """Whether a file is an experiment that ships, and not one of the project's own."""
    known = shipped_files().get(path.stem)
    return known is not None and known.resolve() == path.resolve()


def _check(file: Path) -> None:
    """Whether `mlflow run` can read it; an empty one is but a mark.

    Raises:
        UserError: It cannot.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = list(yaml.parse(file.read_text(encoding="utf-8"), loader))
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{file} is not plain YAML{where}: mend it; headway new FOLDER writes one to compare") from None
    contents = [it for it in events if not isinstance(it, _AROUND)]
    if contents and not isinstance(contents[0], yaml.MappingStartEvent):
        raise UserError(f"{file} is no mapping such as 'name: mine': mend it; headway new FOLDER writes one to compare")
