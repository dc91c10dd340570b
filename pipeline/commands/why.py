"""`headway why STEP EXPERIMENT`: which part of the step's key changed since its last run."""

import json
from pathlib import Path
from typing import Any

from pipeline.commands.options import Request
from pipeline.config import load, project_folder
from pipeline.errors import UserError
from pipeline.plugins import add_to_path, only_looking
from pipeline.printable import echo


def why(name: str, request: Request) -> None:
    """Compare a step's key with that of its last run.

    Args:
        name: prepare, train, tune, evaluate, report, explain, or the name of a run such as "train separate".
        request: The experiment, and values set over it.

    Raises:
        UserError: There is no such step.
    """
    project = add_to_path(project_folder())
    with only_looking():
        title, change = _answer(name, request, project)
    if request.as_json:
        print(json.dumps({"step": title, **change}))
        return
    echo(f"{title}: {change['answer']}")
    for line in change["changed"]:
        echo(f"  {line}")


def _answer(name: str, request: Request, project: Path) -> tuple[str, dict[str, Any]]:
    """The step's title, and what changed."""
    from pipeline.commands.lookup import quiet_context
    from pipeline.steps.budget import as_planned
    from pipeline.steps.graph import Job
    from pipeline.steps.settling import settle_if_prepared
    from pipeline.steps.step import look_up, ordered
    from pipeline.studies import study

    context = quiet_context(project, load(request.experiment, request.values, project))
    settle_if_prepared(context)
    context.experiment = as_planned(context)
    report = Job.of(context).report
    title = "train default" if name == "train" else name
    look_up(context, report)
    steps = {it.title: it for it in ordered(report)}
    if title == "explain":
        step = study("explain").explanation(context)
    elif title in steps:
        step = steps[title]
    else:
        raise UserError(f"unknown step '{name}': the steps are {', '.join(steps)}, explain")
    return title, _change(context, step)


def _change(context: Any, step: Any) -> dict[str, Any]:
    from pipeline.steps.step import KEY_FILE, cached, key_of, known_when
    from pipeline.tracking.keys import Key, difference

    if (key := key_of(step)) is None:
        return {"answer": f"its key is known when {known_when(step)}", "changed": []}
    if done := cached(context, step):
        return {"answer": f"nothing changed: run {done.run_id} has its result", "changed": []}
    last = _last_run(context, step.title)
    if last is None:
        return {"answer": "it has never been run", "changed": []}
    before = context.tracker.json_artifact(last.info.run_id, KEY_FILE)
    if before is None:
        return {"answer": f"run {last.info.run_id} logged no key", "changed": []}
    changed = difference(Key(before).flat(), key.flat())
    if not changed:
        reason = f"the same key as run {last.info.run_id} ({last.info.status}), whose outputs cannot be used"
        return {"answer": reason, "changed": []}
    return {"answer": f"changed since run {last.info.run_id}", "changed": changed}


def _last_run(context: Any, title: str) -> Any:
    from pipeline.tracking import tags

    name = context.experiment.name
    where = f"attributes.run_name = '{title}' and tags.`{tags.EXPERIMENT}` = '{name}'"
    return next(iter(context.tracker.runs(where)), None)
