"""From sources to prepared arrays."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.experiment import Experiment
from pipeline.config.tasks import TaskSettings
from pipeline.data.prepared import MANIFEST, checksum, inputs_file, labels_file
from pipeline.data.sources import Examples, Part, Place, Report, source
from pipeline.data.splitting import split
from pipeline.errors import UserError


def prepare(experiment: Experiment, place: Place, folder: Path, report: Report) -> dict[str, Any]:
    """Read every source, split it, and write its arrays and the manifest into an empty folder.

    Returns:
        The manifest.

    Raises:
        UserError: Data are missing or broken, or a split lacks a class that another has.
        Failure: A download did not succeed.
    """
    manifest: dict[str, Any] = {"sources": {}, "tasks": {}, "files": {}}
    for name in experiment.sources:
        report(f"reading {name}")
        examples = source(name).read(place, report)
        tasks = {task: settings for task, settings in experiment.tasks.items() if settings.source == name}
        labels = {task: _label(task, settings, examples) for task, settings in tasks.items()}
        parts = split(
            name,
            examples,
            sorted(set(labels.values())),
            experiment.data.validation,
            experiment.data.test,
            experiment.seed,
        )
        _check_classes(labels, parts, examples)
        manifest["sources"][name] = _write_inputs(folder, name, parts, examples)
        for task, settings in tasks.items():
            _write_labels(folder, task, parts, labels[task])
            manifest["tasks"][task] = {
                "kind": settings.kind, "source": name, "classes": examples.classes[labels[task]]
            }  # fmt: skip
    manifest["tasks"] = {task: manifest["tasks"][task] for task in experiment.tasks}
    manifest["files"] = {path.name: checksum(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
    return manifest


def _label(task: str, settings: TaskSettings, examples: Examples) -> str:
    """Which of the source's labels the task predicts."""
    known = list(examples.classes)
    wanted = settings.label or (task if task in known else known[0] if len(known) == 1 else None)
    if wanted not in known:
        raise UserError(
            f"tasks.{task}.label: source '{settings.source}' has the labels {', '.join(known)}, found '{wanted or task}'"
        )
    if settings.kind == "binary" and len(examples.classes[wanted]) != 2:
        raise UserError(
            f"tasks.{task}.kind: binary needs two classes, label '{wanted}' has {len(examples.classes[wanted])}"
        )
    return wanted


def _check_classes(labels: dict[str, str], parts: dict[str, Part], examples: Examples) -> None:
    """Every class that train knows must occur in validation, or choosing by it would be blind there."""
    for task, label in labels.items():
        present = {split: np.unique(part.labels[label]) for split, part in parts.items()}
        missing = np.setdiff1d(present["train"], present.get("validation", present["train"]))
        if len(missing):
            names = ", ".join(examples.classes[label][int(value)] for value in missing if value >= 0)
            raise UserError(f"task '{task}': validation has no example of {names}: raise data.validation")


def _write_inputs(folder: Path, name: str, parts: dict[str, Part], examples: Examples) -> dict[str, Any]:
    for split_name, part in parts.items():
        np.save(folder / inputs_file(name, split_name), part.inputs.reshape(len(part.inputs), -1))
    rows = {split_name: len(part.inputs) for split_name, part in parts.items()}
    return {"shape": list(examples.train.inputs.shape[1:]), "scale": examples.scale, "rows": rows}


def _write_labels(folder: Path, task: str, parts: dict[str, Part], label: str) -> None:
    for split_name, part in parts.items():
        np.save(folder / labels_file(task, split_name), part.labels[label])
