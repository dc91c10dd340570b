"""`headway predict`: score a table or a folder of images with a registered model."""

import json
from pathlib import Path

from pipeline import garbage_collection
from pipeline.config import project_folder
from pipeline.files import check_regular
from pipeline.steps.console import Console
from pipeline.tracking.store import check_store, tracking_uri


def predict(
    model: str, source: Path, output: Path, preference: str, spreadsheet: bool, quiet: bool, as_json: bool
) -> None:
    """Write one row of predictions for each row of the input.

    Raises:
        UserError: The model, input, output or preference is invalid.
        Failure: The store does not respond.
    """
    project = project_folder()
    check_regular(source, "--input")
    check_store(tracking_uri(project))
    from pipeline.steps.predict import predict as score
    from pipeline.tracking.tracker import Tracker

    garbage_collection.normal()
    Tracker(project, None)  # sets mlflow's tracking URI
    console, warnings = Console(quiet or as_json), list[str]()

    def warn(line: str) -> None:
        warnings.append(line)
        console.warn(line)

    with console.bar("predict", None) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.at(done, total=total)

        rows = score(model, source, output, progress, warn, preference, spreadsheet)
    console.line(f"{rows} rows scored into {output}")
    if as_json:
        print(json.dumps({"model": model, "rows": rows, "output": str(output), "warnings": warnings}))
