"""From sources to prepared arrays."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.experiment import Experiment
from pipeline.data.leaks import hashed, repeated
from pipeline.data.prepared import MANIFEST, checksum, inputs_file, labels_file
from pipeline.data.sources import Examples, Place, Report, source
from pipeline.data.splitting import Chosen, split
from pipeline.data.targets import label_of, targets_of
from pipeline.errors import Failure

_CHUNK_ROWS = 4096


def prepare(experiment: Experiment, place: Place, folder: Path, report: Report) -> dict[str, Any]:
    """Read every source, split it, and write its arrays and the manifest into an empty folder.

    The same experiment, files and seed write the same bytes. The manifest is written last.

    Returns:
        The manifest: `sources` (shape, scale, rows by split, and `repeated`: how many of them have the inputs of a row
        of train), `tasks` (kind, source, and as `pipeline.data.prepared.PreparedTask` has them classes, counts, mean
        and so on) and `files` (sha256 by name).

    Raises:
        UserError: Data are missing or broken, or a split lacks what another has.
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
    labels = {task: label_of(task, settings, examples) for task, settings in tasks.items()}
    data = experiment.data
    parts = split(name, examples, sorted(set(labels.values())), data.validation, data.test, experiment.seed)
    targets = {
        task: targets_of(task, {it: chosen.labels(label) for it, chosen in parts.items()}, examples.classes[label])
        for task, label in labels.items()
    }
    manifest["sources"][name] = _write_inputs(folder, name, parts, examples)
    for task, settings in tasks.items():
        for split_name, array in targets[task].arrays.items():
            np.save(folder / labels_file(task, split_name), array)
        manifest["tasks"][task] = {"kind": settings.kind, "source": name, **targets[task].about}


def _write_inputs(folder: Path, name: str, parts: dict[str, Chosen], examples: Examples) -> dict[str, Any]:
    hashes: dict[str, list[np.ndarray]] = {}
    for split_name, chosen in parts.items():
        values = chosen.part.inputs.reshape(len(chosen.part.inputs), -1)
        shape = (len(chosen.rows), values.shape[1])
        header = {"descr": np.lib.format.dtype_to_descr(values.dtype), "fortran_order": False, "shape": shape}
        with (folder / inputs_file(name, split_name)).open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            hashes[split_name] = []
            for rows in _in_chunks(chosen):
                file.write(rows.data)
                hashes[split_name].append(hashed(rows))
    return {
        "shape": list(examples.train.inputs.shape[1:]),
        "scale": examples.scale,
        "rows": {split_name: len(chosen.rows) for split_name, chosen in parts.items()},
        "repeated": repeated(hashes),
    }


def _in_chunks(chosen: Chosen) -> Iterator[np.ndarray]:
    """The rows [B, F], a few at a time: at once they would double a source's memory."""
    values = chosen.part.inputs.reshape(len(chosen.part.inputs), -1)
    for start in range(0, len(chosen.rows), _CHUNK_ROWS):
        yield values[chosen.rows[start : start + _CHUNK_ROWS]]
