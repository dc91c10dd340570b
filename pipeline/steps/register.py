"""Register the winner, and let it take the champion's place only if it is better on the same validation rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared, rows_file
from pipeline.printable import markdown
from pipeline.serving.open_model import open_model
from pipeline.serving.package import log_package
from pipeline.steps.context import Context
from pipeline.steps.data import opened
from pipeline.steps.runs.markdown import link, predicted
from pipeline.steps.step import KEY_FILE, Step
from pipeline.tracking import registry, tags
from pipeline.tracking.links import model_page
from pipeline.tracking.run import Run
from pipeline.tracking.store import store_lock
from pipeline.training.saved import file_of
from pipeline.training.slot import seed_slots

_ROWS = 1 << 18
"""Rows of validation by which a champion is chosen: their answers are in memory."""


def register(
    context: Context, run: Run, experiment: Experiment, parts: Sequence[tuple[Path, str]], prepare: Step, why: str
) -> None:
    """Log networks as one model of the run, register it, and decide who is champion.

    Args:
        context: Of the command.
        run: That chose them.
        experiment: Names the model.
        parts: Of each network, the folder that its training wrote and its slot; together they answer all tasks.
        prepare: Prepared the data that they were trained on.
        why: They were chosen, in a sentence.
    """
    client, name = context.tracker.client, experiment.name
    files = [(file_of(folder, slot), slot) for folder, slot in parts]
    model = log_package(client, run.id, files, name)
    with store_lock(context.project, f"registry-{name}"):
        present = registry.champion(client, name)
        version = registry.register(
            client,
            name,
            model.model_uri,
            model.model_id,
            run.id,
            {tags.PREPARED: prepare.digest},
            _description(context, experiment, prepare, why, model.model_id),
            _about(experiment),
        )
        alias, reason = _decide(context, experiment, model.model_uri, present, prepare)
        registry.set_alias(client, name, version, alias, reason)
    run.tags({tags.GATE: f"{alias}: {reason}"})
    context.console.detail(f"registered {name} version {version.version} as {alias}: {reason}")


def promote(context: Context, run: Run, version: Any) -> None:
    """Make a version champion that was registered before, without comparing it.

    Args:
        context: Of the command.
        run: That registered it.
        version: Of the model.
    """
    client, name = context.tracker.client, version.name
    with store_lock(context.project, f"registry-{name}"):
        present = registry.champion(client, name)
        if present and present.version == version.version:
            return
        reason = _promoted(present)
        registry.set_alias(client, name, version, registry.CHAMPION, reason)
    run.tags({tags.GATE: f"{registry.CHAMPION}: {reason}"})
    context.console.line(f"{name} version {version.version} is {registry.CHAMPION} now: {reason}")


def _promoted(present: Any) -> str:
    return f"--promote, not compared with version {present.version}" if present else "there was no champion before"


def _about(experiment: Experiment) -> str:
    """The description of the registered model."""
    return (
        f"Answers all tasks of the experiment {markdown(experiment.name)}:\n\n{predicted(experiment.tasks)}\n\n"
        f"`models:/{experiment.name}@champion` is the version that was best on validation; a new one takes its place "
        "if it is better on the same rows."
    )


def _description(context: Context, experiment: Experiment, prepare: Step, why: str, model_id: str) -> str:
    """The description of a version: what it answers, why it was chosen, and where its figures are."""
    data = opened(prepare, experiment)
    model = context.tracker.client.get_logged_model(model_id)
    parts = [
        f"{markdown(why[0].upper() + why[1:])}.",
        predicted(experiment.tasks, {name: it.classes for name, it in data.tasks.items()}),
        link("Its metrics on test and validation, and their data", model_page(model.experiment_id, model_id)),
    ]
    if data.replicates:
        parts.append(
            "The candidate that validation chose, trained once more on all rows but validation. No row is left to test "
            f"it: its figures are those of the candidate's {len(data.replicates)} replicates."
        )
    return "\n\n".join(parts)


def _decide(context: Context, experiment: Experiment, uri: str, present: Any, prepare: Step) -> tuple[str, str]:
    """Which alias the new version gets, and why."""
    if present is None:
        return registry.CHAMPION, "there was no champion before"
    old = f"version {present.version}"
    if not registry.is_whole(present):
        return registry.CHAMPION, f"the champion before, {old}, has lost its files"
    if context.promote:
        return registry.CHAMPION, _promoted(present)
    if (before := present.tags.get(tags.PREPARED)) != prepare.digest:
        learnt = _learnt(context, experiment, before, prepare)
        return registry.CHALLENGER, f"the champion, {old}, {learnt}; --promote to replace it"
    data = opened(prepare, experiment, whole=True)
    data = data.holding_out(seed_slots(experiment, data)[0].fold)
    gain = _objective(uri, data) - _objective(f"models:/{experiment.name}/{present.version}", data)
    reason = f"{gain:+.4f} on the validation objective against {old}, gate.min_gain is {experiment.gate.min_gain}"
    return (registry.CHAMPION if gain > experiment.gate.min_gain else registry.CHALLENGER), reason


def _learnt(context: Context, experiment: Experiment, before: str | None, prepare: Step) -> str:
    """Why a champion of other prepared data is not compared: it may have learnt from rows of this validation split."""
    data, other = opened(prepare, experiment), "was chosen on other prepared data"
    if not data.replicates:
        return other
    if before and (files := _files(context, before)) and files == _files(context, prepare.digest):
        folders = {"train": context.prepared_folder(before), "validation": data.folder}
        paths = {split: [it / rows_file(name, split) for name in data.sources] for split, it in folders.items()}
        if all(it.is_file() for its in paths.values() for it in its):
            learnt, held = ([np.load(it) for it in its] for its in paths.values())
            count = sum(int(np.isin(*pair).sum()) for pair in zip(held, learnt, strict=True))
            return f"was trained on {count} of these {sum(map(len, held))} validation rows" if count else other
    return "was trained on other prepared data, and so perhaps on rows of this validation split"


def _files(context: Context, prepared: str) -> Any:
    """Checksums of the files that data were prepared of, by source; None where that is not known any more."""
    run = context.tracker.finished(prepared)
    return (context.tracker.json_artifact(run.info.run_id, KEY_FILE) or {}).get("data") if run else None


def _objective(uri: str, data: Prepared) -> float:
    """Mean over tasks of their primary metrics on the validation rows, as the served model answers them."""
    model = open_model(uri).unwrap_python_model()
    split = data.split("validation")
    answers = {source: model.answers(source, split.inputs_of(source)[:_ROWS]) for source in split.inputs}
    found = []
    for task, it in data.tasks.items():
        names = [name for name in map(str, answers[it.source]) if name.startswith(f"{task}/")]
        own = {name.removeprefix(f"{task}/"): answers[it.source][name] for name in names}
        metric = it.definition.load(it.definition.gate)
        found.append(metric(it, own, np.asarray(split.labels[task][:_ROWS])))
    return float(np.mean(found))
