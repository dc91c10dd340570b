"""`headway export`: a registered model as a file for programs without Headway, or as a folder for Docker."""

import json
import shlex
from pathlib import Path
from typing import Any

from pipeline import garbage_collection
from pipeline.config import project_folder
from pipeline.plugins import add_to_path
from pipeline.serving.export.outputs import check_file, check_folder
from pipeline.steps.console import Console
from pipeline.tracking.store import check_store, tracking_uri


def export(model: str, onnx: Path | None, pt2: Path | None, docker: Path | None, quiet: bool, as_json: bool) -> None:
    """Write what is asked for; files are kept where their answers are the model's.

    Raises:
        UserError: The model, a file or the folder is invalid.
        Failure: The store does not respond, or the model cannot be exported.
    """
    project = add_to_path(project_folder())
    paths = {form: path for form, path in (("onnx", onnx), ("pt2", pt2)) if path}
    for form, path in paths.items():
        check_file(form, path)
    if docker:
        check_folder(docker)
    check_store(tracking_uri(project))
    from pipeline.serving.export.docker import write_docker
    from pipeline.serving.export.export import opened, write_onnx, write_torch
    from pipeline.tracking.tracker import Tracker

    garbage_collection.normal()
    Tracker(project, None)  # sets mlflow's tracking URI
    console, told = Console(quiet or as_json), dict[str, Any]()
    exported = opened(model) if paths else None
    for form, path in paths.items():
        assert exported is not None
        done = {"onnx": write_onnx, "pt2": write_torch}[form](exported, path)
        told[form] = done._asdict() | {"path": str(path)}
        console.line(
            f"{model} into {path} ({done.bytes / 2**20:.2f} MiB): on {done.rows} rows of each source "
            f"its answers differ from the model's by at most {done.difference:.1g}"
        )
    if docker:
        write_docker(model, docker)
        told["docker"] = str(docker)
        console.line(f"{model} into {docker}: docker build {docker} makes an image that serves it on port 8080")
    else:
        console.line(f"next: headway export {shlex.quote(model)} --docker FOLDER, for a server of it")
    if as_json:
        print(json.dumps({"model": model} | told))
