"""`headway list` and `headway show`: what ships, and what an experiment says, does and has done."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import yaml

from pipeline.commands.options import Request
from pipeline.config import experiment_files, load, project_folder
from pipeline.config.balancing import Balancing
from pipeline.errors import UserError
from pipeline.plugins import look_in


def show_list(as_json: bool) -> None:
    """The experiments that ship, each with the first line of its comment."""
    found = {name: _purpose(path) for name, path in experiment_files(project_folder()).items()}
    if as_json:
        print(json.dumps([{"experiment": name, "purpose": purpose} for name, purpose in found.items()]))
        return
    for name, purpose in found.items():
        click.echo(f"{name:24} {purpose}")


def show_balancers(as_json: bool) -> None:
    """The methods that choose task weights: what each does, needs and costs, its settings, and where it comes from."""
    if as_json:
        found = [
            {
                "method": name,
                "about": it.summary(),
                "needs": it.needs,
                "settings": it.settings(),
                "least_tasks": it.least,
                "trainable_by_default": it.trainable,
                "cost_of_a_step": it.cost,
                "paper": it.paper,
            }
            for name, it in Balancing.choices.items()
        ]
        print(json.dumps(found))
        return
    for name, it in Balancing.choices.items():
        settings = ", ".join(f"{key}={value}" for key, value in it.settings().items())
        needs = " and ".join(need.replace("_", " ") for need in it.needs) or "nothing"
        facts = [f"needs {needs}", f"a step {it.cost:g}x that of equal weights"]
        facts += [f"settings {settings}"] if settings else []
        facts += [f"{it.least} tasks or more"] if it.least > 1 else []
        facts += [] if it.trainable else ["its defaults are no good start"]
        click.echo(f"{name:14} {it.summary()}\n{'':14} {'; '.join(facts)}\n{'':14} {it.paper}")


def show_experiment(request: Request) -> None:
    """The resolved configuration, each step's key, and the run that answers it."""
    project = look_in(project_folder())
    experiment = load(request.experiment, request.values, project)
    steps = _steps(experiment, project)
    tree = experiment.model_dump(mode="json")
    if request.as_json:
        print(json.dumps({"configuration": tree, "steps": steps}))
        return
    click.echo(yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=110), nl=False)
    click.echo()
    for step in steps:
        answer = f"run {step['run_id']}" if step["run_id"] else step["status"]
        click.echo(f"{step['step']:24} {step['key'] or '-':34} {answer}")


def show_data(request: Request) -> None:
    """What the experiment's prepared data hold.

    Raises:
        UserError: They are not prepared yet.
    """
    from pipeline.data.prepared import MANIFEST, open_prepared
    from pipeline.data.summary import summary
    from pipeline.steps.prepare import Prepare

    project = look_in(project_folder())
    experiment = load(request.experiment, request.values, project)
    folder = project / experiment.data.prepared / "prepared" / Prepare(experiment, project).key().digest
    if not (folder / MANIFEST).is_file():
        raise UserError(f"the data of {experiment.name} are not prepared yet: {request.as_command('prepare')}")
    about = summary(open_prepared(folder).only(experiment.tasks))
    if request.as_json:
        print(json.dumps(about))
        return
    for name, source in about["sources"].items():
        rows = ", ".join(f"{count:,} {split}" for split, count in source["rows"].items())
        folds = f"; {len(source['folds'])} folds of {min(source['folds']):,} rows or more" if "folds" in source else ""
        if kind := next((it for it in ("words", "subwords") if it in source), None):
            length = source["shape"][0]
            click.echo(
                f"{name}: texts of at most {length} tokens, {source[kind]:,} {kind} are told apart; {rows}{folds}"
            )
            for text in source["examples"]:
                click.echo(f"  {text}")
            continue
        shape = " x ".join(map(str, source["shape"]))
        click.echo(f"{name}: rows of {shape} divided by {source['scale']:g}; {rows}{folds}")
    for name, task in about["tasks"].items():
        click.echo()
        _show_task(name, task, about["sources"][task["source"]]["rows"])


def _show_task(name: str, task: dict[str, Any], rows: dict[str, int]) -> None:
    click.echo(_line(f"{name} ({task['kind']})", rows))
    click.echo(_line("missing", [f"{100 * share:.1f} %" for share in task["missing"].values()]))
    for label, counts in task.get("classes", {}).items():
        click.echo(_line(label, [f"{100 * count / task['of'][split]:.1f} %" for split, count in counts.items()]))
    if values := task.get("values"):
        for mark in values["train"]:
            click.echo(_line(mark, [f"{values[split][mark]:.6g}" if split in values else "-" for split in rows]))
    click.echo(f"  the first rows of train: {'; '.join(task['examples'])}")


def _line(first: str, others: Iterable[str]) -> str:
    return f"  {first:28}{''.join(f'{other:>14}' for other in others)}"


def _steps(experiment: Any, project: Path) -> list[dict[str, Any]]:
    from pipeline.commands.lookup import quiet_context
    from pipeline.steps.budget import as_planned
    from pipeline.steps.graph import Job
    from pipeline.steps.step import key_of, look_up, ordered

    context = quiet_context(project, experiment)
    report = Job(as_planned(context), project).report
    look_up(context, report)
    found = []
    for step in ordered(report):
        key, done = key_of(step), step.result
        status = "cached" if done else "to do" if key else "known when the steps before it are done"
        found.append({"step": step.title, "key": key and key.digest, "run_id": done and done.run_id, "status": status})
    return found


def _purpose(path: Path) -> str:
    first = path.read_text(encoding="utf-8").splitlines()[0] if path.stat().st_size else ""
    return first.removeprefix("#").strip() if first.startswith("#") else ""
