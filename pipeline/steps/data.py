"""The prepared data as steps read them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment
from pipeline.config.data import OuterFolds
from pipeline.tracking.keys import digest

if TYPE_CHECKING:
    from pipeline.data.prepared import Prepared
    from pipeline.steps.step import Step
    from pipeline.tracking.run import Run

ALL_ROWS = {"rows": "all"}
"""Part of the key of a step that learns from all rows but validation, where every row tests."""


def outer_of(folder: Path) -> dict[str, Any]:
    """What a folder of prepared data says of how every row tests, see `pipeline.data.prepare`; empty for one split."""
    from pipeline.data.prepared import MANIFEST

    return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("outer", {}))


def folds_of(folder: Path) -> OuterFolds | None:
    """How every row tests in a folder of prepared data; None for one split."""
    outer = outer_of(folder)
    return OuterFolds(folds=outer["folds"], repeats=outer["repeats"]) if outer else None


def opened(prepare: "Step", experiment: Experiment, whole: bool = False) -> "Prepared":
    """What a step's networks learn from.

    Args:
        prepare: Has a result.
        experiment: Whose tasks.
        whole: All rows but validation, where every row tests, and not each replicate's.
    """
    from pipeline.data.prepared import open_prepared

    prepared = open_prepared(prepare.outputs).only(experiment.tasks)
    return prepared.whole() if whole else prepared


def log_datasets(run: "Run", prepared: "Prepared", splits: tuple[str, ...]) -> None:
    """Log the prepared splits that a run reads, each once: where every row tests, all replicates' together."""
    folders = [it.folder for it in prepared.replicates] or [prepared.folder]
    for split in splits:
        mine = {str(it.relative_to(prepared.folder)): _checksums(it, split) for it in folders}
        if any(mine.values()):
            run.dataset(
                f"prepared.{split}", digest(mine if prepared.replicates else mine["."]), str(prepared.folder), split
            )


def _checksums(folder: Path, split: str) -> dict[str, str]:
    """Of the files of a split."""
    from pipeline.data.prepared import MANIFEST

    files: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    return {name: checksum for name, checksum in files.items() if f".{split}." in name and "/" not in name}
