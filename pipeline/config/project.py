"""Where things are: all paths hang from the project folder."""

from pathlib import Path

from pipeline.errors import UserError

MARKER = "MLproject"


def project_folder() -> Path:
    """The nearest folder upward from the working directory that holds MLproject.

    Raises:
        UserError: There is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            return folder
    raise UserError(f"no {MARKER} in {here} or above it: change into the project's folder")


def experiment_files(project: Path) -> dict[str, Path]:
    """The experiments that ship, by name."""
    return {path.stem: path for path in sorted((project / "experiments").glob("*.yaml"))}
