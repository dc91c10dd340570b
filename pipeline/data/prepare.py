"""From sources to prepared arrays."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.experiment import Experiment
from pipeline.config.tasks import TaskSettings
from pipeline.data.prepared import MANIFEST, checksum, inputs_file, labels_file
from pipeline.data.sources import Examples, Place, Report, source
from pipeline.data.splitting import Chosen, split
from pipeline.errors import Failure, UserError

_CHUNK_ROWS = 4096


def prepare(experiment: Experiment, place: Place, folder: Path, report: Report) -> dict[str, Any]:
    """Read every source, split it, and write its arrays and the manifest into an empty folder.

    The same experiment, files and seed write the same bytes. The manifest is written last.

    Returns:
        The manifest: `sources` (shape, scale, rows by split), `tasks` (kind, source, classes, counts: by split the
        number of rows of each class, missing labels left out) and `files` (sha256 by name).

    Raises:
        UserError: Data are missing or broken, or a split lacks a class that another has.
        Failure: A download did not succeed, or the folder cannot be written.
    """
    manifest: dict[str, Any] = {"sources": {}, "tasks": dict.fromkeys(experiment.tasks), "files": {}}
    try:
        for name in experiment.sources:
            report(f"reading {name}")
            _prepare_source(name, experiment, place, folder, report, manifest)
        manifest["files"] = {path.name: checksum(path) for path in sorted(folder.iterdir())}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    except OSError as error:
        raise Failure(f"{folder}: cannot be written ({error.strerror or error})") from None
    return manifest


def _prepare_source(
    name: str, experiment: Experiment, place: Place, folder: Path, report: Report, manifest: dict[str, Any]
) -> None:
    """Write one source and its tasks; its examples leave memory before the next is read."""
    examples = source(name).read(place, report)
    tasks = {task: settings for task, settings in experiment.tasks.items() if settings.source == name}
    labels = {task: _label(task, settings, examples) for task, settings in tasks.items()}
    data = experiment.data
    parts = split(name, examples, sorted(set(labels.values())), data.validation, data.test, experiment.seed)
    counts = {task: _counts(parts, label, len(examples.classes[label])) for task, label in labels.items()}
    for task, label in labels.items():
        _check_classes(task, counts[task], examples.classes[label])
    manifest["sources"][name] = _write_inputs(folder, name, parts, examples)
    for task, settings in tasks.items():
        _write_labels(folder, task, parts, labels[task])
        classes = examples.classes[labels[task]]
        manifest["tasks"][task] = {
            "kind": settings.kind, "source": name, "classes": classes, "counts": counts[task]
        }  # fmt: skip


def _label(task: str, settings: TaskSettings, examples: Examples) -> str:
    """Which of the source's labels the task predicts."""
    known = list(examples.classes)
    wanted = settings.label or (task if task in known else known[0] if len(known) == 1 else None)
    if wanted not in known:
        raise UserError(
            f"tasks.{task}.label: source '{settings.source}' has the labels {', '.join(known)}; "
            f"found '{wanted or task}'"
        )
    if settings.kind == "binary" and len(examples.classes[wanted]) != 2:
        raise UserError(
            f"tasks.{task}.kind: binary needs two classes, label '{wanted}' has {len(examples.classes[wanted])}"
        )
    return wanted


def _counts(parts: dict[str, Chosen], label: str, classes: int) -> dict[str, list[int]]:
    """Rows of each class by split; a missing label (-1) is of none."""
    values = {name: chosen.labels(label) for name, chosen in parts.items()}
    return {name: np.bincount(it[it >= 0], minlength=classes).tolist() for name, it in values.items()}


def _check_classes(task: str, counts: dict[str, list[int]], classes: list[str]) -> None:
    """Every class that train knows must occur in validation, or choosing by it would be blind there."""
    if not any(counts["train"]):
        raise UserError(f"task '{task}': no row of train has a label, so there is nothing to learn from")
    validation = counts.get("validation", counts["train"])
    missing = [
        name for name, train, held in zip(classes, counts["train"], validation, strict=True) if train and not held
    ]
    if missing:
        raise UserError(f"task '{task}': validation has no example of {', '.join(missing)}: raise data.validation")


def _write_inputs(folder: Path, name: str, parts: dict[str, Chosen], examples: Examples) -> dict[str, Any]:
    for split_name, chosen in parts.items():
        values = chosen.part.inputs.reshape(len(chosen.part.inputs), -1)
        shape = (len(chosen.rows), values.shape[1])
        header = {"descr": np.lib.format.dtype_to_descr(values.dtype), "fortran_order": False, "shape": shape}
        with (folder / inputs_file(name, split_name)).open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(chosen.rows), _CHUNK_ROWS):  # the rows at once would double a source's memory
                file.write(values[chosen.rows[start : start + _CHUNK_ROWS]].data)
    rows_of = {split_name: len(chosen.rows) for split_name, chosen in parts.items()}
    return {"shape": list(examples.train.inputs.shape[1:]), "scale": examples.scale, "rows": rows_of}


def _write_labels(folder: Path, task: str, parts: dict[str, Chosen], label: str) -> None:
    for split_name, chosen in parts.items():
        np.save(folder / labels_file(task, split_name), chosen.labels(label))
