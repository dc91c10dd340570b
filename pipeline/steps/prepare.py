"""Prepare: sources -> stratified splits -> checksummed, memory-mapped arrays."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import pretrained
from pipeline.config import Experiment, shipped_folder
from pipeline.data.prepared import MANIFEST, inputs_file, labels_file, rows_file
from pipeline.data.sources import Fingerprint, Place, source
from pipeline.plugins import NotImportedError
from pipeline.steps.context import Context
from pipeline.steps.step import KeyUnknownError, Step
from pipeline.tracking import tags
from pipeline.tracking.keys import digest, versions

if TYPE_CHECKING:
    from pipeline.tracking.run import Run


class Prepare(Step):
    """The first step.

    Args:
        experiment: What to prepare.
        project: The project folder.
    """

    name = title = "prepare"

    def __init__(self, experiment: Experiment, project: Path) -> None:
        self.experiment = experiment
        self._place = place(experiment, project)

    def reads(self) -> dict[str, Any]:
        """The checksums of the sources' files, and what makes text into numbers."""
        return {
            "data": {name: fingerprint.checksums for name, fingerprint in self._fingerprints.items()},
            **self._learnt_elsewhere(),
        }

    def _learnt_elsewhere(self) -> dict[str, object]:
        """The tokenizer of a pretrained encoder, or what learns subwords, where one makes text into numbers."""
        if model := self.experiment.tokenizer:
            return {
                "tokenizer": {
                    "files": pretrained.fingerprint(model, weights=False),
                    "versions": versions(*pretrained.PACKAGES),
                }
            }
        if self.experiment.data.text.kind == "subwords":
            pretrained.require("data.text.kind=subwords", "tokenizers")
            return {"tokenizer": {"versions": versions("tokenizers")}}
        return {}

    @cached_property
    def _fingerprints(self) -> dict[str, Fingerprint]:
        """What each source's examples depend on: every file is read once for it."""
        names = self.experiment.source_names
        try:
            return {name: source(self.experiment, name).fingerprint(self._place) for name in names}
        except NotImportedError as error:
            raise KeyUnknownError(self.title) from error

    def folder(self, context: Context) -> Path:
        """Under `data.prepared`."""
        return context.prepared_folder(self.digest)

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Read, split, write."""
        from pipeline.data.leaks import suspicions
        from pipeline.data.prepare import prepare

        manifest = prepare(self.experiment, self._place, folder, context.console.detail)
        notes = suspicions(manifest)
        for line in notes:
            context.console.detail(line)
        for name, fingerprint in self._fingerprints.items():
            tasks = [task for task, settings in self.experiment.tasks.items() if settings.source == name]
            for note in fingerprint.notes:
                context.console.detail(f"{name}: {note}")
            notes += [f"{name}: {note}" for note in fingerprint.notes]
            rows_of = manifest["sources"][name]["rows"]
            if outer := manifest.get("outer"):
                rows_of = rows_of | {"test": outer["tested"][name]}
            for split, rows in rows_of.items():
                run.dataset(f"{name}.{split}", digest(_files(manifest, name, split, tasks)), self._where(name), split)
                run.metrics({f"{split}/{task}/rows": float(rows) for task in tasks})
        run.text(json.dumps(manifest, indent=1), MANIFEST)
        run.tags({tags.NOTES: "; ".join(notes)} if notes else {})

    def _where(self, name: str) -> str:
        """Where a source finds its files."""
        place, declared = self._place, self.experiment.sources.get(name)
        if declared and (path := getattr(declared, "path", None)):
            return str(place.of(path))
        if declared:
            return str(place.downloads)
        return str(place.shipped if place.variant == "sample" else place.root or place.downloads)


def _files(manifest: Mapping[str, Any], name: str, split: str, tasks: Iterable[str]) -> dict[str, str]:
    """The checksums of the files of a split of a source: where every row tests, its test is that of all replicates."""
    shared = manifest["sources"][name].get("inputs")
    own = {inputs_file(name, split), rows_file(name, split), *(labels_file(task, split) for task in tasks)}
    is_outer = split == "test" and "outer" in manifest
    return {
        file: checksum
        for file, checksum in manifest["files"].items()
        if file == shared or (file.rpartition("/")[2] in own and ("/" in file) == is_outer)
    }


def place(experiment: Experiment, project: Path) -> Place:
    """Where the experiment's sources find their files; `data.root` hangs from the project folder."""
    root = experiment.data.root
    return Place(
        variant=experiment.data.variant,
        shipped=shipped_folder() / "data",
        root=(project / Path(root).expanduser()) if root else None,
        project=project,
        downloads=project / experiment.data.prepared / "downloads",
    )
