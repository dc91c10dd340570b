"""`headway runs [EXPERIMENT] --question NAME`: the usual questions on runs, and how MLflow is asked the same."""

import difflib
import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.lookup import tracker_here
from pipeline.config import experiment_files, load, project_folder
from pipeline.errors import UserError
from pipeline.printable import echo

if TYPE_CHECKING:
    from pipeline.steps.runs.questions import Question

_MOST = 100


def runs(experiment: str | None, name: str, as_json: bool) -> None:
    """Print the answer to a question, at most a hundred runs.

    Args:
        experiment: Whose runs; None for those of all.
        name: Of the question, see `pipeline.steps.runs.questions`.
        as_json: As JSON.

    Raises:
        UserError: There is no such question or experiment.
        Failure: The store does not respond.
    """
    from pipeline.steps.runs.questions import QUESTIONS, of_study
    from pipeline.tracking import tags
    from pipeline.tracking.links import run_page, runs_page, whole

    if name not in QUESTIONS:
        raise UserError(f"--question {name}: the questions are {', '.join(QUESTIONS)}")
    project, tracker, question = project_folder(), tracker_here(), QUESTIONS[name]
    own = _of_experiment(tracker, experiment, project) if experiment else ""
    if question.newest_study:
        found = tracker.runs(_all_of(f"tags.`{tags.STEP}` = 'tune' and tags.`{tags.STUDY}` LIKE '%'", own))
        studies = [it for it in found if tags.ROLE not in it.data.tags]
        shared = (it for it in studies if it.info.run_name == "tune")  # rather than those of tasks alone
        if newest := next(shared, next(iter(studies), None)):
            study = newest.data.tags[tags.STUDY]
            question = replace(question, where=of_study(study), about=f"{question.about}: {study}")
    else:
        question = replace(question, where=_all_of(question.where, own))
    order = f"metrics.`{question.order_by}`" if question.order_by else ""
    found = list(islice(tracker.runs(question.where, f"{order} DESC" if order else ""), _MOST))
    pages = {it: whole(project, runs_page(it, question.where, order)) for it in _experiments(found)}
    rows = [
        _row(run, question) | {"page": whole(project, run_page(run.info.experiment_id, run.info.run_id))}
        for run in found
    ]
    if as_json:
        told = {"question": name, "filter": question.where, "order_by": order, "pages": list(pages.values())}
        print(json.dumps(told | {"runs": rows}))
        return
    echo(f"{question.about}{'' if rows else ': none'}", *_table(rows, question), f"filter: {question.where}",
         *(f"MLflow: {it}" for it in pages.values()))  # fmt: skip


def _of_experiment(tracker: Any, name: str, project: Path) -> str:
    """The filter of an experiment's runs.

    Raises:
        UserError: It has no runs, and there is no such file.
    """
    from pipeline.tracking import tags

    is_file = name in experiment_files(project)
    called = load(name, {}, project).name if is_file else name
    where = f"tags.`{tags.EXPERIMENT}` = '{called}'"
    if "'" in called or not (is_file or next(tracker.runs(where), None)):
        guess = difflib.get_close_matches(name, experiment_files(project), n=1)
        hint = f"did you mean '{guess[0]}'?" if guess else "headway list names them"
        raise UserError(f"experiment '{name}': no such file in experiments/, and no run ({hint})")
    return where


def _all_of(*filters: str) -> str:
    return " and ".join(filter(None, filters))


def _experiments(found: list[Any]) -> list[str]:
    """MLflow's experiments in which runs are, each once."""
    return list(dict.fromkeys(run.info.experiment_id for run in found))


def _row(run: Any, question: "Question") -> dict[str, Any]:
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {
        "run_id": run.info.run_id,
        "name": run.info.run_name,
        "started": started,
        "status": run.info.status,
        "value": run.data.metrics.get(question.order_by),
        **{tag: run.data.tags.get(tag) for tag in question.shown},
    }


def _table(rows: list[dict[str, Any]], question: "Question") -> list[str]:
    """A line a run, in columns as wide as they have to be."""
    cells = [
        [row["run_id"][:8], row["started"], row["name"], row["status"]]
        + ([f"{row['value']:+.4f}" if row["value"] is not None else "-"] if question.order_by else [])
        + [" ".join((row[tag] or "-").split()) for tag in question.shown]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{it:{width}}" for it, width in zip(line, widths, strict=True)).rstrip() for line in cells]
