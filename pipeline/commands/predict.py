"""`headway predict`: score a table or a folder of images with a registered model, or the training rows out of fold."""

import csv
import json
import re
import shlex
from pathlib import Path

from pipeline import garbage_collection
from pipeline.commands.lookup import quiet_context, tracker_here
from pipeline.commands.options import Request
from pipeline.config import Experiment, load, project_folder
from pipeline.errors import UserError
from pipeline.files import check_regular
from pipeline.plugins import add_to_path
from pipeline.steps.console import Console
from pipeline.tracking.store import check_store, tracking_uri


def predict(
    model: str,
    source: Path,
    output: Path,
    preference: str,
    spreadsheet: bool,
    keep: str | None,
    quiet: bool,
    as_json: bool,
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

        rows = score(model, source, output, progress, warn, preference, spreadsheet, names(keep))
    console.line(f"{rows} row{'' if rows == 1 else 's'} scored into {output}")
    console.line(f"next: headway serve {shlex.quote(model)}")
    if as_json:
        print(json.dumps({"model": model, "rows": rows, "output": str(output), "warnings": warnings}))


def names(text: str | None) -> list[str] | None:
    """The names of a list with commas; None where there is no list.

    Those with a comma stand in quotes, outside which spaces beside commas and at the ends do not count.

    >>> names('id , "a, b" ,class '), names(""), names(None)
    (['id', 'a, b', 'class'], [], None)
    """
    if text is None:
        return None
    parts = text.split('"')  # each second one stands in quotes
    parts[::2] = [re.sub(r" *, *", ",", part) for part in parts[::2]]
    return next(csv.reader(['"'.join(parts).strip(" ")]), [])


def predict_out_of_fold(request: Request, source: str, output: Path, spreadsheet: bool) -> None:
    """Write each training row's prediction by networks that never saw it.

    Args:
        request: The experiment, and values set over it; or `models:/...`, a registered model.
        source: Whose rows; may be empty where there is one.
        output: The file.
        spreadsheet: For a spreadsheet program.

    Raises:
        UserError: Test was not opened yet, or not every row tests; or the model, source or output is invalid.
        Failure: The store does not respond.
    """
    from pipeline.steps.budget import as_planned
    from pipeline.steps.out_of_fold import out_of_fold
    from pipeline.steps.settling import settle_if_prepared

    project = add_to_path(project_folder())
    asked = request.experiment
    experiment = _experiment_of(asked) if asked.startswith("models:/") else load(asked, request.values, project)
    context = quiet_context(project, experiment)
    settle_if_prepared(context)
    context.experiment = as_planned(context)
    done = out_of_fold(context, source, output, spreadsheet)
    if request.as_json:
        print(json.dumps({"rows": done.rows, "untested": done.untested, "output": str(output)}))
        return
    empty = f", {done.untested} of them empty, as nothing tests them" if done.untested else ""
    Console(request.quiet).line(f"{done.rows} rows{empty}, each scored by networks that never saw it, into {output}")


def _experiment_of(model: str) -> Experiment:
    """The experiment whose job registered a model.

    Raises:
        UserError: There is no such model, or no job of Headway's registered it.
    """
    from pipeline.steps.step import logged_experiment
    from pipeline.tracking.registry import run_of

    tracker = tracker_here()
    run_id = run_of(tracker.client, model)
    experiment = logged_experiment(tracker, run_id) if run_id else None
    if experiment is None:
        raise UserError(
            f"{model}: no job of Headway's here has registered such a model; headway list names experiments"
        )
    return experiment
