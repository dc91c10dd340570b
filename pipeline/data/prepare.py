"""From sources to prepared arrays.

Labels are read, split and written first; then inputs, a few rows at a time. So neither a table nor a folder of images
is ever in memory as a whole.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Experiment
from pipeline.config.tasks import Regression, TaskSettings
from pipeline.data.encodings.rows import RowError
from pipeline.data.encodings.text import most_of
from pipeline.data.folds import Folded, folded, of_folds
from pipeline.data.leaks import hashed, repeated
from pipeline.data.prepared import MANIFEST, checksum, groups_file, inputs_file, labels_file
from pipeline.data.sources import Cutting, Encoder, Encoding, Examples, Part, Place, Report, source
from pipeline.data.splitting import Chosen, split
from pipeline.data.targets import Stored, fitted, label_of, targets_of
from pipeline.errors import Failure, UserError
from pipeline.kinds import kind_of

_CHUNK_ROWS = 4096
_LABELS = 1 << 20


@dataclass(frozen=True)
class _Split:
    """A source whose labels are written, but for tags, and whose inputs are still to be.

    Attributes:
        examples: All that it holds.
        parts: Its splits.
        tags: Of each tagging task, the tags of all splits, and their names: where they are cut is not known yet.
    """

    examples: Examples
    parts: dict[str, Chosen]
    tags: dict[str, tuple[dict[str, np.ndarray], list[str]]] = field(default_factory=dict)


def prepare(experiment: Experiment, place: Place, folder: Path, report: Report) -> dict[str, Any]:
    """Read every source, split it, and write its arrays and the manifest into an empty folder.

    The same experiment, files and seed write the same bytes. The manifest is written last. Under cross-validation
    the train split is all that is not test, and statistics (means, quantiles, categories, a regression target's unit
    and range) are its own: they see the inputs of every fold, and of targets the mean, deviation and range of numbers
    alone.

    Returns:
        The manifest: `sources` (shape, scale, rows by split, how they are encoded, folds, and `repeated`: how many of
        them have the inputs of a row of train), `tasks` (kind, source, and as `pipeline.data.prepared.PreparedTask` has
        them classes, counts, mean and so on) and `files` (sha256 by name).

    Raises:
        UserError: Data are missing or broken, or a split lacks what another has.
        Failure: A download did not succeed, or the folder cannot be written.
    """
    manifest: dict[str, Any] = {"sources": {}, "tasks": dict.fromkeys(experiment.tasks), "files": {}}
    waiting: dict[str, _Split] = {}
    try:
        for name in experiment.source_names:
            report(f"reading {name}")
            found = _split_source(name, experiment, place, folder, report, manifest)
            if found.examples.encoder is None:
                # Its examples leave memory before the next is read.
                manifest["sources"][name] = _write_inputs(folder, name, found)
            else:
                waiting[name] = found
        for name, encoding in _encodings(waiting, report).items():
            manifest["sources"][name] = _write_inputs(folder, name, waiting[name], encoding)
            _write_tags(folder, experiment, waiting[name], encoding, manifest)
            _tell_of_cuts(name, manifest["sources"][name], report)
        manifest["sources"] = {name: manifest["sources"][name] for name in experiment.source_names}
        manifest["files"] = {path.name: checksum(path) for path in sorted(folder.iterdir())}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    except OSError as error:
        raise Failure(f"{folder}: cannot be written ({error.strerror or error})") from None
    return manifest


def _split_source(
    name: str, experiment: Experiment, place: Place, folder: Path, report: Report, manifest: dict[str, Any]
) -> _Split:
    """Read and split one source, and write its tasks."""
    examples = source(experiment, name).read(place, report)
    tasks = {task: settings for task, settings in experiment.tasks.items() if settings.source == name}
    several = getattr(experiment.sources.get(name), "labels", {})
    labels = {task: label_of(task, settings, examples) for task, settings in tasks.items()}
    data, folds, used = experiment.data, experiment.training.folds, sorted(set(labels.values()))
    parts = split(name, examples, used, 0.0 if folds else data.validation, data.test, experiment.seed)
    if folds:
        parts["train"] = folded(name, parts["train"], used, folds, experiment.seed)
    found = _Split(examples, parts)
    _write_groups(folder, name, parts["test"])
    for task, settings in tasks.items():
        own = {it: chosen.labels(labels[task]) for it, chosen in parts.items()}
        if kind_of(settings.kind).per_token:
            found.tags[task] = own, examples.classes[labels[task]]
            continue
        clip = isinstance(settings, Regression) and settings.clip == "range"
        declared = isinstance(several.get(labels[task]), tuple)
        stored = targets_of(task, own, examples.classes[labels[task]], clip, declared)
        manifest["tasks"][task] = _write_targets(folder, task, settings, stored, parts["train"])
    for part in filter(None, (examples.train, examples.test)):
        if examples.encoder is not None:
            part.labels.clear()  # their service is done, and the inputs need the room
    return found


def _write_groups(folder: Path, name: str, test: Chosen) -> None:
    """Number the groups of the test rows, of a source that has any: what is resampled there are whole groups."""
    if test.part.group is not None:
        _, numbers = np.unique(test.part.group[test.where], return_inverse=True)
        _save(folder / groups_file(name), numbers)


def _write_targets(folder: Path, task: str, settings: TaskSettings, stored: Stored, train: Chosen) -> dict[str, Any]:
    """Write a task's targets, and answer what the manifest says of it.

    Raises:
        UserError: It needs two classes and has another number, or a fold lacks what it needs.
    """
    count = len(stored.about["classes"])
    if kind_of(settings.kind).two_classes and count != 2:
        raise UserError(
            f"tasks.{task}.kind: {settings.kind} needs two classes, label '{settings.label or task}' has {count}"
        )
    for split_name, array in stored.arrays.items():
        _save(folder / labels_file(task, split_name), array)
    about = {"kind": settings.kind, "source": settings.source, **stored.about}
    if isinstance(train, Folded):
        about["folds"] = of_folds(task, stored.arrays["train"], train.folds, count)
    return about


def _write_tags(
    folder: Path, experiment: Experiment, found: _Split, encoding: Encoding, manifest: dict[str, Any]
) -> None:
    """Write the tags of as many tokens as the inputs have."""
    for task, (own, classes) in found.tags.items():
        as_long = {split_name: fitted(tags, encoding.shape[0]) for split_name, tags in own.items()}
        stored = targets_of(task, as_long, classes)
        manifest["tasks"][task] = _write_targets(folder, task, experiment.tasks[task], stored, found.parts["train"])


def _tell_of_cuts(name: str, source: Mapping[str, Any], report: Report) -> None:
    for split_name, count in source.get("cut", {}).items():
        rows, length = source["rows"][split_name], source["shape"][0]
        if count:
            most = most_of(source["encoding"])
            limit = f"{length} tokens{f' or {most} subwords' if most else ''}"
            report(f"{name}: {count} of {rows} rows of {split_name} are cut after {limit} (data.text.length)")


def _save(path: Path, array: np.ndarray) -> None:
    """Write labels: classes as int64, which is eight bytes a row and so never in memory as a whole."""
    kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
    with path.open("wb") as file:
        _write_header(file, np.dtype(kind), array.shape)
        for start in range(0, len(array), _LABELS):
            file.write(np.ascontiguousarray(array[start : start + _LABELS], kind).data)


def _encodings(waiting: Mapping[str, _Split], report: Report) -> dict[str, Encoding]:
    """Each source's encoding, fitted on the training rows of its family."""
    families: dict[str, tuple[Encoder, list[str]]] = {}
    for name, found in waiting.items():
        if encoder := found.examples.encoder:
            families.setdefault(encoder.family, (encoder, []))[1].append(name)
    encodings: dict[str, Encoding] = {}
    for encoder, names in families.values():
        report(f"encoding {', '.join(names)}")
        fitted = encoder.fit(_training(waiting[name].parts["train"] for name in names))
        encodings |= dict.fromkeys(names, fitted)
    return encodings


def _training(chosen: Iterable[Chosen]) -> Iterator[tuple[Any, np.ndarray]]:
    """Chunks of streams, and which of their rows are to be learnt from."""
    for one in chosen:
        start = 0
        for chunk in _chunks(one.part):
            yield chunk, one.where[start : start + len(chunk)]
            start += len(chunk)


def _write_inputs(folder: Path, name: str, found: _Split, encoding: Encoding | None = None) -> dict[str, Any]:
    """Write the inputs of all splits; each part is gone through once."""
    rows = {split_name: len(chosen) for split_name, chosen in found.parts.items()}
    hashes = {split_name: np.empty(count, np.uint64) for split_name, count in rows.items()}
    shape: tuple[int, ...] = ()
    pieces = {(it, start): piece for it, chosen in found.parts.items() for start, piece in chosen.pieces().items()}
    done = {piece: piece[1] for piece in pieces}  # rows of the split that lie before what is written next
    cut = dict.fromkeys(rows, 0)
    files = {piece: _opened(folder / inputs_file(name, piece[0])) for piece in pieces}
    try:
        for piece, values, shortened in _encoded(name, pieces, encoding):
            split_name, start = piece
            cut[split_name] += shortened
            if done[piece] == start:
                _write_header(files[piece], values.dtype, (rows[split_name], values[0].size))
                files[piece].seek(start * values[0].nbytes, os.SEEK_CUR)
            shape = values.shape[1:]
            flat = np.ascontiguousarray(values.reshape(len(values), -1))
            files[piece].write(flat.data)
            hashes[split_name][done[piece] : done[piece] + len(flat)] = hashed(flat)
            done[piece] += len(flat)
    finally:
        for file in files.values():
            file.close()
    if done != {piece: piece[1] + len(chosen) for piece, chosen in pieces.items()}:
        raise Failure(f"source '{name}' has changed while it was read: prepare it again")
    train = found.parts["train"]
    return {
        "shape": list(encoding.shape if encoding else shape),
        "scale": found.examples.scale,
        "rows": rows,
        "repeated": repeated(hashes),
        **({"encoding": encoding.about | found.examples.reading} if encoding else {}),
        **({"resized": True} if found.examples.resized else {}),
        **({"cut": cut} if isinstance(encoding, Cutting) else {}),
        **({"folds": train.folds} if isinstance(train, Folded) else {}),
    }


def _opened(path: Path) -> Any:
    """A file of one's own place in it: several may write to different places of the same."""
    path.touch()
    return path.open("r+b")


def _encoded(
    name: str, parts: Mapping[tuple[str, int], Chosen], encoding: Encoding | None
) -> Iterator[tuple[tuple[str, int], np.ndarray, int]]:
    """Some rows [B, ...] of a piece of a split at a time, in the order of the source; and how many were cut."""
    for part in {id(chosen.part): chosen.part for chosen in parts.values()}.values():
        own = {piece: chosen.where for piece, chosen in parts.items() if chosen.part is part}
        start = 0
        for chunk in _chunks(part):
            stop = start + len(chunk)
            try:
                values = encoding.encode(chunk) if encoding else chunk
            except RowError as error:
                raise UserError(f"source '{name}': row {start + error.row + 1}, {error.what}") from None
            cut = encoding.cut(chunk) if isinstance(encoding, Cutting) else np.zeros(len(chunk), bool)
            for piece, where in own.items():
                if (mask := where[start:stop]).any():
                    yield piece, values[mask], int(cut[mask].sum())
            start = stop


def _chunks(part: Part) -> Iterator[Any]:
    """A part's inputs, a few rows at a time: at once they would double a source's memory."""
    if not isinstance(part.inputs, np.ndarray):
        yield from part.inputs.chunks()
        return
    for start in range(0, len(part.inputs), _CHUNK_ROWS):
        yield part.inputs[start : start + _CHUNK_ROWS]


def _write_header(file: Any, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
