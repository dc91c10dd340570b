"""Register the winner, and let it take the champion's place only if it is better on the same validation rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline.analysis.counts import r2_score, roc_auc
from pipeline.analysis.metrics import by_label, mean_of_known
from pipeline.config import Experiment
from pipeline.data.prepared import Prepared, PreparedTask, Split, known, open_prepared
from pipeline.serving.open_model import open_model
from pipeline.serving.package import log_package
from pipeline.steps.context import Context
from pipeline.steps.step import Step
from pipeline.tracking import registry, tags
from pipeline.tracking.run import Run
from pipeline.tracking.store import store_lock
from pipeline.training.saved import file_of
from pipeline.training.slot import seed_slots
from pipeline.training.spans import Spans, f1

_ROWS = 1 << 18
"""Rows of validation by which a champion is chosen: their answers are in memory."""


def register(
    context: Context, run: Run, experiment: Experiment, parts: Sequence[tuple[Path, str]], prepare: Step
) -> None:
    """Log networks as one model of the run, register it, and decide who is champion.

    Args:
        context: Of the command.
        run: That chose them.
        experiment: Names the model.
        parts: Of each network, the folder that its training wrote and its slot; together they answer all tasks.
        prepare: Prepared the data that they were trained on.
    """
    client, name = context.tracker.client, experiment.name
    files = [(file_of(folder, slot), slot) for folder, slot in parts]
    model = log_package(client, run.id, files, name)
    with store_lock(context.project, f"registry-{name}"):
        present = registry.champion(client, name)
        version = registry.register(
            client, name, model.model_uri, model.model_id, run.id, {tags.PREPARED: prepare.digest}
        )
        alias, reason = _decide(context, experiment, model.model_uri, present, prepare)
        registry.set_alias(client, name, version, alias, reason)
    run.tags({tags.GATE: f"{alias}: {reason}"})
    context.console.detail(f"registered {name} version {version.version} as {alias}: {reason}")


def _decide(context: Context, experiment: Experiment, uri: str, present: Any, prepare: Step) -> tuple[str, str]:
    """Which alias the new version gets, and why."""
    if present is None:
        return registry.CHAMPION, "there was no champion before"
    old = f"version {present.version}"
    if context.promote:
        return registry.CHAMPION, f"--promote, not compared with {old}"
    if present.tags.get(tags.PREPARED) != prepare.digest:
        return registry.CHALLENGER, f"the champion, {old}, was chosen on other prepared data; --promote to replace it"
    data = open_prepared(prepare.outputs).only(experiment.tasks)
    data = data.holding_out(seed_slots(experiment, data.chained)[0].fold)
    gain = _objective(uri, data) - _objective(f"models:/{experiment.name}/{present.version}", data)
    reason = f"{gain:+.4f} on the validation objective against {old}, gate.min_gain is {experiment.gate.min_gain}"
    return (registry.CHAMPION if gain > experiment.gate.min_gain else registry.CHALLENGER), reason


def _objective(uri: str, data: Prepared) -> float:
    """Mean over tasks of their primary metrics on the validation rows, as the served model answers them."""
    model = open_model(uri).unwrap_python_model()
    split = data.split("validation")
    answers: dict[str, Any] = {source: model.answers(source, rows[:_ROWS]) for source, rows in split.inputs.items()}
    return float(np.mean([_primary(task, it, answers[it.source], split) for task, it in data.tasks.items()]))


def _primary(task: str, about: PreparedTask, answers: pd.DataFrame, split: Split) -> float:
    """A task's primary metric, from what the served model answers; a label without rows of both kinds is left out."""
    truth = np.asarray(split.labels[task][:_ROWS])
    present = known(truth)
    if about.kind == "tagging":
        found = torch.from_numpy(np.stack(answers[f"{task}/tags"].to_list()))
        counts = Spans(about.classes).counts(found, torch.from_numpy(truth), torch.from_numpy(present))
        return float(f1(counts.sum((0, 2))))
    if about.kind == "multilabel":
        chances = answers[[f"{task}/probability/{index}" for index in range(len(about.classes))]].to_numpy()
        return mean_of_known(by_label(roc_auc, truth, chances, present))
    column = "value" if about.kind == "regression" else "label"
    answered = answers[f"{task}/{column}"].to_numpy()[present]
    if about.kind == "regression":
        return float(r2_score(truth[present], (answered - about.mean) / about.std))
    return float((answered == truth[present]).mean())
