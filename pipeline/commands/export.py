"""`headway export`: a registered model as a file for programs without Headway."""

import json
from pathlib import Path
from typing import Any

from pipeline import garbage_collection
from pipeline.config import project_folder
from pipeline.plugins import add_to_path
from pipeline.steps.console import Console
from pipeline.tracking.store import check_store, tracking_uri


def export(model: str, onnx: Path | None, pt2: Path | None, quiet: bool, as_json: bool) -> None:
    """Write each file that is asked for, after its answers were compared with the model's.

    Raises:
        UserError: The model or a file is invalid.
        Failure: The store does not respond, or the model cannot be exported.
    """
    project = add_to_path(project_folder())
    check_store(tracking_uri(project))
    from pipeline.serving.export.export import check, opened, write_onnx, write_torch
    from pipeline.tracking.tracker import Tracker

    asked = [
        (form, path, write) for form, path, write in (("onnx", onnx, write_onnx), ("pt2", pt2, write_torch)) if path
    ]
    for form, path, _ in asked:
        check(form, path)
    garbage_collection.normal()
    Tracker(project, None)  # sets mlflow's tracking URI
    console, told = Console(quiet or as_json), list[dict[str, Any]]()
    exported = opened(model)
    for _, path, write in asked:
        done = write(exported, path)
        told.append(done._asdict() | {"path": str(path)})
        console.line(
            f"{model} into {path} ({done.bytes / 2**20:.2f} MiB): on {done.rows} rows of each source "
            f"its answers differ from the model's by at most {done.difference:.1g}"
        )
    if as_json:
        print(json.dumps({"model": model, "files": told}))
