"""One point of the growth curves: some slots trained on made-up data, in this process.

python -m benchmarks.growth.point FOLDER '{"slots": 8, "tasks": 2, "examples": 6000, "width": 128, "features": 784}'
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared, PreparedSource, PreparedTask, inputs_file, labels_file
from pipeline.training.loop import fit
from pipeline.training.numerics import settle
from pipeline.training.slot import SlotState, trial_slot
from pipeline.training.workers.pool import WorkerPool

_CLASSES = 10
_EPOCHS = 3  # the first also warms up and is left out
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Point:
    """What is trained.

    Attributes:
        slots: Networks.
        tasks: Tasks of ten classes, spread over two sources.
        examples: Training rows of each source; a tenth as many for validation.
        width: Units of the one hidden layer.
        features: Values of a row.
    """

    slots: int
    tasks: int
    examples: int
    width: int
    features: int

    def sources(self) -> dict[str, PreparedSource]:
        """Both, whose files hold this many rows of this size."""
        rows = {"train": self.examples, "validation": self.examples // 10}
        stem = f"{self.features}x{self.examples}"
        return {f"{side}{stem}": PreparedSource((self.features,), 255.0, rows) for side in ("left", "right")}

    def prepared(self, folder: Path) -> Prepared:
        """The data as the stack sees them."""
        classes = tuple(str(number) for number in range(_CLASSES))
        sources = self.sources()
        names = [*sources]
        tasks = {f"task{n}": PreparedTask("multiclass", names[n % 2], classes) for n in range(self.tasks)}
        return Prepared(folder, sources, tasks)


def make_data(point: Point, folder: Path) -> None:
    """Write what is missing of a point's arrays: random bytes, and labels that are linked between tasks."""
    prepared = point.prepared(folder)
    for source, it in prepared.sources.items():
        for split, rows in it.rows.items():
            if not (folder / inputs_file(source, split)).exists():
                _write_bytes(folder / inputs_file(source, split), rows, it.features)
            labels = folder / f"{source}.{split}.labels.npy"
            if not labels.exists():
                np.save(labels, np.random.default_rng(1).integers(0, _CLASSES, rows))
            for task in (name for name, task in prepared.tasks.items() if task.source == source):
                (folder / labels_file(task, split)).unlink(missing_ok=True)
                (folder / labels_file(task, split)).hardlink_to(labels)


def _write_bytes(path: Path, rows: int, features: int) -> None:
    draws = np.random.default_rng(0)
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (rows, features))
    step = max(1, _CHUNK // features)
    for start in range(0, rows, step):
        part = array[start : start + step]
        part[:] = draws.integers(0, 256, part.shape, dtype=np.uint8)
    array.flush()


def train(point: Point, folder: Path) -> dict[str, float]:
    """What an epoch of all slots costs, the first left out, and the anonymous memory in bytes before."""
    settle()
    before = anonymous(os.getpid())
    prepared = point.prepared(folder)
    experiment = Experiment.model_validate(
        {
            "name": "growth",
            "tasks": {name: {"kind": it.kind, "source": it.source} for name, it in prepared.tasks.items()},
            "model": {"trunk": {"widths": [point.width]}},
            "training": {"epochs": _EPOCHS, "early_stopping": None},
        }
    )
    marks: list[tuple[float, float]] = []

    def at_barrier(_: list[SlotState]) -> list[str]:
        marks.append((time.perf_counter(), time.process_time()))
        return []

    with WorkerPool(1) as pool:
        fit(pool, prepared, [trial_slot(number, experiment) for number in range(point.slots)], at_barrier)
    wall, cpu = (np.diff(column).min() for column in zip(*marks, strict=True))
    return {"seconds": float(wall), "cpu_seconds": float(cpu), "before": before}


def anonymous(pid: int) -> int:
    """Bytes of a process's anonymous memory; 0 once it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    kib = (line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
    return 1024 * int(next(kib, 0))


if __name__ == "__main__":
    print(json.dumps(train(Point(**json.loads(sys.argv[2])), Path(sys.argv[1]))))
