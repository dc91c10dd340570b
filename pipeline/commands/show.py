"""`headway list` and `headway show`: the experiments, and an experiment's configuration, steps and data."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.lookup import quiet_context
from pipeline.commands.options import Request
from pipeline.config import experiment_files, is_shipped, load, project_folder, public
from pipeline.config.balancing import Balancing
from pipeline.config.tasks import titles
from pipeline.drafts.writing import dumped
from pipeline.errors import UserError
from pipeline.plugins import add_to_path, only_looking
from pipeline.printable import echo

if TYPE_CHECKING:
    from pipeline.steps.context import Context


def show_list(as_json: bool) -> None:
    """Print the experiments, each with the first line of its file: the project's own, then those that ship."""
    files = experiment_files(project_folder(begin=True))
    own = [name for name, path in files.items() if not is_shipped(path)]
    ordered = [*own, *(name for name in files if name not in own)]
    if as_json:
        told = [{"experiment": name, "shipped": name not in own, "purpose": purpose(files[name])} for name in ordered]
        print(json.dumps(told))
        return
    for name in ordered:
        echo(f"{name:24} {'yours' if name in own else 'ships':6} {purpose(files[name])}")


def show_balancers(as_json: bool) -> None:
    """Print the balancing methods with their inputs, settings, costs and papers."""
    if as_json:
        methods = [
            {
                "method": name,
                "about": method.summary(),
                "needs": method.needs,
                "settings": method.settings(),
                "least_tasks": method.min_tasks,
                "trainable_by_default": method.trainable,
                "cost_of_a_step": method.cost,
                "paper": method.paper,
            }
            for name, method in Balancing.choices.items()
        ]
        print(json.dumps(methods))
        return
    for name, method in Balancing.choices.items():
        settings = ", ".join(f"{key}={value}" for key, value in method.settings().items())
        needs = " and ".join(need.replace("_", " ") for need in method.needs) or "nothing"
        facts = [f"needs {needs}", f"a step about {method.cost:g}x one with equal weights"]
        facts += [f"settings {settings}"] if settings else []
        facts += [f"{method.min_tasks} tasks or more"] if method.min_tasks > 1 else []
        facts += [] if method.trainable else ["its defaults are not a good start"]
        echo(f"{name:14} {method.summary()}", f"{'':14} {'; '.join(facts)}", f"{'':14} {method.paper}")


def show_experiment(request: Request) -> None:
    """Print the resolved configuration, each step's key, and the run that has its result."""
    project = add_to_path(project_folder(begin=True))
    context = quiet_context(project, load(request.experiment, request.values, project))
    with only_looking():
        steps = _steps(context)
    tree = public(context.experiment)
    if request.as_json:
        print(json.dumps({"configuration": tree, "steps": steps}))
        return
    echo(*dumped(tree, default_flow_style=None, width=110).split("\n"))
    for step in steps:
        status = f"run {step['run_id']}" if step["run_id"] else step["status"]
        echo(f"{step['step']:24} {step['key'] or '-':34} {status}")


def show_data(request: Request) -> None:
    """Print a summary of the experiment's prepared data.

    Raises:
        UserError: The data are not prepared yet.
    """
    from pipeline.data.prepared import MANIFEST, open_prepared
    from pipeline.data.summary import in_words, summary
    from pipeline.steps.prepare import Prepare

    project = add_to_path(project_folder(begin=True))
    experiment = load(request.experiment, request.values, project)
    folder = project / experiment.data.prepared / "prepared" / Prepare(experiment, project).key().digest
    if not (folder / MANIFEST).is_file():
        raise UserError(f"the data of {experiment.name} are not prepared yet: {request.as_command('prepare')}")
    contents = summary(open_prepared(folder).only(experiment.tasks))
    if request.as_json:
        print(json.dumps(contents))
        return
    for name, source in contents["sources"].items():
        rows = ", ".join(f"{count:,} {split}" for split, count in source["rows"].items())
        rows += f"; {len(own)} replicates of {in_words(own)}" if (own := source.get("replicates")) else ""
        folds = f"; {len(source['folds'])} folds of {min(source['folds']):,} rows or more" if "folds" in source else ""
        if kind := next((it for it in ("words", "subwords") if it in source), None):
            length = source["shape"][0]
            echo(f"{name}: texts of at most {length} tokens, {source[kind]:,} {kind} are distinguished; {rows}{folds}")
            for text in source["examples"]:
                echo(f"  {text}")
            continue
        shape = " x ".join(map(str, source["shape"]))
        echo(f"{name}: rows of {shape} divided by {source['scale']:g}; {rows}{folds}")
    called = titles(experiment.tasks)
    for name, task in contents["tasks"].items():
        echo()
        _show_task(called[name], task, contents["sources"][task["source"]]["rows"])


def _show_task(name: str, task: dict[str, Any], rows: dict[str, int]) -> None:
    echo(_line(f"{name} ({task['kind']})", rows))
    echo(_line("missing", [f"{100 * share:.1f} %" for share in task["missing"].values()]))
    for label, counts in task.get("classes", {}).items():
        echo(_line(label, [f"{100 * count / task['of'][split]:.1f} %" for split, count in counts.items()]))
    if values := task.get("values"):
        for mark in values["train"]:
            echo(_line(mark, [f"{values[split][mark]:.6g}" if split in values else "-" for split in rows]))
    echo(f"  the first rows of train: {'; '.join(task['examples'])}")


def _line(first: str, others: Iterable[str]) -> str:
    return f"  {first:28}{''.join(f'{other:>14}' for other in others)}"


def _steps(context: "Context") -> list[dict[str, Any]]:
    """The steps of the whole job; the context's experiment is settled and planned, as far as that is known."""
    from pipeline.steps.budget import as_planned
    from pipeline.steps.graph import Job
    from pipeline.steps.settling import settle_if_prepared
    from pipeline.steps.step import key_of, known_when, look_up, ordered

    settle_if_prepared(context)
    context.experiment = as_planned(context)
    report = Job.of(context).report
    look_up(context, report)
    steps = []
    for step in ordered(report):
        key, done = key_of(step), step.result
        status = "cached" if done else "to do" if key else f"known when {known_when(step)}"
        steps.append({"step": step.title, "key": key and key.digest, "run_id": done and done.run_id, "status": status})
    return steps


def purpose(path: Path) -> str:
    """The first line of an experiment's file, where it is a comment."""
    first = path.read_text(encoding="utf-8", errors="replace").splitlines()[0] if path.stat().st_size else ""
    return first.removeprefix("#").strip() if first.startswith("#") else ""
