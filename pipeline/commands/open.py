"""`headway open`: the newest report of an experiment or a run, in the browser."""

import json
import os
import re
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.lookup import find_run, tracker_here
from pipeline.config import experiment_files, load, project_folder
from pipeline.errors import Failure
from pipeline.plugins import add_to_path
from pipeline.printable import echo
from pipeline.steps.published import REPORTS, folder_of, newest
from pipeline.tracking import tags

if TYPE_CHECKING:
    from pipeline.tracking.tracker import Tracker


def open_report(what: str | None, only_print: bool = False, as_json: bool = False) -> None:
    """Print the path of the newest report, and open it in the browser if there is one.

    Args:
        what: An experiment, or the ID of a run or its beginning; None for the newest report of all.
        only_print: Open nothing.
        as_json: Print the path as JSON, and open nothing.

    Raises:
        UserError: There is no such experiment, and no such run.
        Failure: The report was not made yet.
    """
    project = add_to_path(project_folder())
    page = _page(project, what)
    if as_json:
        print(json.dumps({"report": str(page)}))
        return
    echo(page)
    if not only_print:
        webbrowser.open(page.resolve().as_uri())


def _page(project: Path, what: str | None) -> Path:
    if what is None:
        if page := newest(project):
            return page
        raise Failure("there is no report yet: headway run EXPERIMENT makes one")
    is_file = what in experiment_files(project) or os.path.isfile(what)
    name = load(what, {}, project).name if is_file else what
    if is_file or folder_of(project, name).is_dir():
        return _of_experiment(project, name)
    if not re.fullmatch("[0-9a-f]{2,32}", what):
        load(what, {}, project)  # says which experiments there are
    return _of_run(project, what)


def _of_experiment(project: Path, name: str) -> Path:
    """The newest report of an experiment; earlier versions published none, so runs are asked too."""
    if page := newest(project, name):
        return page
    tracker = tracker_here()
    for run in tracker.runs(f"tags.`{tags.EXPERIMENT}` = '{name}' and attributes.status = 'FINISHED'"):
        if _is_page(run) and (page := _stored(tracker, project, run)):
            return page
    raise Failure(f"{name} has no report yet: headway run {name} makes one; compare, affinity and explain theirs")


def _of_run(project: Path, run_id: str) -> Path:
    """The report of a run: that of a step, or of the pipeline's run that it belongs to.

    Raises:
        UserError: There is no such run.
        Failure: It has no report.
    """
    tracker = tracker_here()
    first = run = find_run(tracker, run_id)
    of = first.data.tags.get(tags.EXPERIMENT, "EXPERIMENT")
    while run is not None:
        answers = [run.data.tags.get(f"{tags.ANSWERED_BY}.{name}") for name in REPORTS]
        pages = [run] if _is_page(run) else [found for it in answers if it and (found := tracker.get(it))]
        for step in pages:
            if page := _stored(tracker, project, step):
                return page
            command = REPORTS[step.data.tags[tags.STEP]]
            raise Failure(f"the report of run {step.info.run_id[:8]} is gone: headway {command} {of} makes it again")
        above = run.data.tags.get("mlflow.parentRunId")
        run = tracker.get(above) if above else None
    raise Failure(f"run {first.info.run_id[:8]} ({first.info.run_name}) has no report: headway run {of} makes one")


def _is_page(run: Any) -> bool:
    """Whether a run is of a step that ends in a page; the pipeline's own has a key that says so."""
    found = run.data.tags
    return found.get(tags.STEP) in REPORTS and not found.get(tags.KEY, "parent-").startswith("parent-")


def _stored(tracker: "Tracker", project: Path, run: Any) -> Path | None:
    """The page of a step's run: of its outputs, or else of its artifacts."""
    name = f"{run.data.tags[tags.STEP]}.html"
    here = project / ".headway" / "outputs" / run.data.tags[tags.KEY] / name
    if here.is_file():
        return here
    folder = project / ".headway" / "opened" / run.info.run_id
    folder.mkdir(parents=True, exist_ok=True)
    return tracker.artifact(run.info.run_id, name, folder)
