"""A view of the data: the splits of all sources as one network sees them, written into a folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Experiment
from pipeline.config.tasks import Regression
from pipeline.data.carried import SHARE
from pipeline.data.encodings.text import most_of
from pipeline.data.folds import Folded, folded, of_folds
from pipeline.data.leaks import repeated
from pipeline.data.outer import Outer
from pipeline.data.prepared import MANIFEST, checksum, groups_file, inputs_file, labels_file, rows_file, shared_file
from pipeline.data.sources import Cutting, Encoder, Encoding, Examples, Report
from pipeline.data.splitting import Chosen, split
from pipeline.data.targets import Stored, fitted, targets_of
from pipeline.data.written import Inputs, save, training, write_inputs
from pipeline.errors import UserError
from pipeline.kinds import kind_of

EVERY = "every"
"""All rows, as if they were a split."""


@dataclass(frozen=True)
class ReadSource:
    """A source that has been read.

    Attributes:
        name: Of the source.
        examples: All that it holds.
        labels: By task, which of its labels the task predicts.
        shared: Its inputs, where they were written once for all splits.
    """

    name: str
    examples: Examples
    labels: dict[str, str]
    shared: Inputs | None = None

    @property
    def used(self) -> list[str]:
        """The labels that tasks use."""
        return sorted(set(self.labels.values()))

    def forget_labels(self) -> None:
        """Labels of a source whose inputs are still to be encoded have done their service, and inputs need the room."""
        for part in filter(None, (self.examples.train, self.examples.test)):
            if self.examples.encoder is not None:
                part.labels.clear()


@dataclass(frozen=True)
class _Split:
    """A source whose labels are written, but for tags, and whose inputs are still to be.

    Attributes:
        source: Whose.
        parts: Its splits.
        tags: Of each tagging task, the tags of all splits, and their names: where they are cut is not known yet.
    """

    source: ReadSource
    parts: dict[str, Chosen]
    tags: dict[str, tuple[dict[str, np.ndarray], list[str]]] = field(default_factory=dict)


class View:
    """The splits of all sources in one folder: the only ones, or those of one replicate.

    Args:
        experiment: What is prepared.
        folder: Where they go.
        outer: Which rows each replicate tests, where every row tests.
        replicate: Whose splits; None for the only ones, or for all rows, of which none is test.
    """

    def __init__(
        self, experiment: Experiment, folder: Path, outer: Outer | None = None, replicate: int | None = None
    ) -> None:
        self.folder, self._experiment, self._outer, self._replicate = folder, experiment, outer, replicate
        self.manifest: dict[str, Any] = {"sources": {}, "tasks": dict.fromkeys(experiment.tasks), "files": {}}
        self._waiting: dict[str, _Split] = {}

    def take(self, source: ReadSource) -> None:
        """Split a source, and write its tasks; and its inputs, unless they need encoding."""
        name = source.name
        examples, parts = self._parts(source)
        found = _Split(source, parts)
        if self._outer:
            for it, chosen in found.parts.items():
                save(self.folder / rows_file(name, it), chosen.rows)
        if "test" in found.parts:
            self._write_groups(name, found.parts["test"])
        several = getattr(self._experiment.sources.get(name), "labels", {})
        for task, label in source.labels.items():
            settings = self._experiment.tasks[task]
            own = {it: chosen.labels(label) for it, chosen in found.parts.items()}
            if kind_of(settings.kind).per_token:
                found.tags[task] = own, examples.classes[label]
                continue
            clip = isinstance(settings, Regression) and settings.clip == "range"
            stored = targets_of(task, own, examples.classes[label], clip, isinstance(several.get(label), tuple))
            self._write_targets(task, stored, found.parts["train"])
        if examples.encoder is None:
            self._write_inputs(found)
        else:
            self._waiting[name] = found

    def encode(self, report: Report) -> None:
        """Write the inputs that need encoding, each as the training rows of its family say."""
        for name, encoding in _encodings(self._waiting, report).items():
            found = self._waiting[name]
            self._write_inputs(found, encoding)
            for task, (own, classes) in found.tags.items():
                as_long = {it: fitted(tags, encoding.shape[0]) for it, tags in own.items()}
                self._write_targets(task, targets_of(task, as_long, classes), found.parts["train"])
            _tell_of_cuts(name, self.manifest["sources"][name], report)

    def finish(self, **more: Any) -> None:
        """Write the manifest, with what else it is to say."""
        self.manifest["sources"] = {name: self.manifest["sources"][name] for name in self._experiment.source_names}
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        self.manifest["files"] = {str(path.relative_to(self.folder)): checksum(path) for path in files}
        self.manifest |= more
        (self.folder / MANIFEST).write_text(json.dumps(self.manifest, indent=1), encoding="utf-8")

    def _parts(self, source: ReadSource) -> tuple[Examples, dict[str, Chosen]]:
        name, data, seed = source.name, self._experiment.data, self._experiment.seed
        folds, used = self._experiment.training.folds, source.used
        validation = 0.0 if folds else data.validation
        if self._outer:
            examples, parts = self._outer.splits(name, self._replicate, validation, seed)
        else:
            share = data.test if isinstance(data.test, float) else SHARE
            examples, parts = source.examples, split(name, source.examples, used, validation, share, seed)
        if folds:
            parts["train"] = folded(name, parts["train"], used, folds, seed)
        return examples, parts

    def _write_groups(self, name: str, test: Chosen) -> None:
        """Number the groups of the test rows, of a source that has any: what is resampled there are whole groups."""
        if test.part.group is None:
            return
        if self._outer:  # alike in all replicates
            numbers = np.unique(test.part.group, return_inverse=True)[1][test.where]
        else:
            numbers = np.unique(test.part.group[test.where], return_inverse=True)[1]
        save(self.folder / groups_file(name), numbers)

    def _write_targets(self, task: str, stored: Stored, train: Chosen) -> None:
        """Write a task's targets, and note what the manifest says of it.

        Raises:
            UserError: It needs two classes and has another number, or a fold lacks what it needs.
        """
        settings, count = self._experiment.tasks[task], len(stored.about["classes"])
        if kind_of(settings.kind).two_classes and count != 2:
            raise UserError(
                f"tasks.{task}.kind: {settings.kind} needs two classes, label '{settings.label or task}' has {count}"
            )
        for it, array in stored.arrays.items():
            save(self.folder / labels_file(task, it), array)
        about = {"kind": settings.kind, "source": settings.source, **stored.about}
        if isinstance(train, Folded):
            about["folds"] = of_folds(task, stored.arrays["train"], train.folds, count)
        self.manifest["tasks"][task] = about

    def _write_inputs(self, found: _Split, encoding: Encoding | None = None) -> None:
        """Write a source's inputs, unless they are shared, and note what the manifest says of it."""
        name, examples, shared = found.source.name, found.source.examples, found.source.shared
        if shared:
            hashes = {it: shared.hashes[EVERY][chosen.rows] for it, chosen in found.parts.items()}
            inputs = Inputs(shared.shape, hashes, {})
        else:
            files = {it: self.folder / inputs_file(name, it) for it in found.parts}
            inputs = write_inputs(name, found.parts, files, encoding)
        train, up = found.parts["train"], "" if self._replicate is None else "../../"
        self.manifest["sources"][name] = {
            "shape": list(inputs.shape),
            "scale": examples.scale,
            "rows": {it: len(chosen) for it, chosen in found.parts.items()},
            "repeated": repeated(inputs.hashes),
            **({"encoding": encoding.about | examples.reading} if encoding else {}),
            **({"resized": True} if examples.resized else {}),
            **({"cut": inputs.cut} if isinstance(encoding, Cutting) else {}),
            **({"folds": train.folds} if isinstance(train, Folded) else {}),
            **({"inputs": up + shared_file(name)} if shared else {}),
        }


def _encodings(waiting: Mapping[str, _Split], report: Report) -> dict[str, Encoding]:
    """Each source's encoding, fitted on the training rows of its family."""
    families: dict[str, tuple[Encoder, list[str]]] = {}
    for name, found in waiting.items():
        if encoder := found.source.examples.encoder:
            families.setdefault(encoder.family, (encoder, []))[1].append(name)
    encodings: dict[str, Encoding] = {}
    for encoder, names in families.values():
        report(f"encoding {', '.join(names)}")
        fitted = encoder.fit(training(waiting[name].parts["train"] for name in names))
        encodings |= dict.fromkeys(names, fitted)
    return encodings


def _tell_of_cuts(name: str, source: Mapping[str, Any], report: Report) -> None:
    for split_name, count in source.get("cut", {}).items():
        rows, length = source["rows"][split_name], source["shape"][0]
        if count:
            most = most_of(source["encoding"])
            limit = f"{length} tokens{f' or {most} subwords' if most else ''}"
            report(f"{name}: {count} of {rows} rows of {split_name} are cut after {limit} (data.text.length)")
