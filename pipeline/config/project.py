"""The project folder, to which all paths are relative, and the experiments in it."""

from pathlib import Path

from pipeline.errors import UserError

MARKER = "MLproject"


def project_folder() -> Path:
    """The nearest folder, from the working directory upward, that contains MLproject.

    Raises:
        UserError: No such folder exists.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            return folder
    raise UserError(f"no {MARKER} in {here} or above it: change into the project's folder")


def experiment_files(project: Path) -> dict[str, Path]:
    """The files in the project's `experiments/`, by name."""
    return {path.stem: path for path in sorted((project / "experiments").glob("*.yaml"))}
