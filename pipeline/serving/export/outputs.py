"""Where exported models may be written; nothing heavy is imported to say so."""

import importlib.util
from pathlib import Path

from pipeline.errors import Failure, UserError

_ONNX = ("onnx", "onnxruntime", "onnxscript")


def check_file(form: str, path: Path) -> None:
    """Check that a file of a format can be written; one that is there is replaced.

    Args:
        form: `onnx` or `pt2`, which is its suffix, too.
        path: It.

    Raises:
        UserError: Its suffix or its folder is wrong.
        Failure: A package is not installed.
    """
    if path.suffix != f".{form}":
        raise UserError(f"--{form} {path}: its name must end in .{form}")
    if path.is_dir():
        raise UserError(f"--{form} {path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise UserError(f"--{form} {path}: no folder {path.parent}; make it first")
    missing = [name for name in _ONNX if importlib.util.find_spec(name) is None] if form == "onnx" else []
    if missing:
        raise Failure(f"--onnx needs the package {missing[0]}: pip install 'headway[onnx]'")


def check_folder(path: Path) -> None:
    """Check that a new folder for Docker can be made.

    Raises:
        UserError: It is there and not empty, or the folder around it is missing.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UserError(f"--docker {path}: is there already; name a new folder")
    if not path.parent.is_dir():
        raise UserError(f"--docker {path}: no folder {path.parent}; make it first")
