"""How much anonymous memory a training takes at most, against the prediction; a program, because only a fresh process
starts with nothing that a test before it has left.

    python -m tests.training.anonymous FOLDER VALUES SLOTS
"""

import json
import math
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pipeline.data.prepared import Prepared
from pipeline.throttle import Throttle
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import fit
from pipeline.training.workers.memory import slot_memory
from pipeline.training.workers.pool import WorkerPool
from tests.training.made import experiment_on, random_data, trials

TASKS = {"a": ("multiclass", "left", 10), "b": ("multiclass", "right", 10)}


def anonymous_memory() -> int:
    """Bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


class Most(threading.Thread):
    """The most that is taken until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            self.bytes = max(self.bytes, anonymous_memory())
            time.sleep(0.001)

    def stop(self) -> int:
        self._stopped.set()
        self.join()
        return self.bytes


def train(prepared: Prepared, folder: Path, values: dict[str, Any], count: int) -> int:
    """Train with a checkpoint every epoch, and answer what was predicted."""
    slots = trials([experiment_on(prepared, {"training.batch_size": 64, "training.epochs": 2} | values)] * count)
    with WorkerPool(1) as pool:
        fit(pool, prepared, slots, lambda states: [], Checkpoint(folder / "checkpoint", Throttle(math.inf)))
    return count * slot_memory(prepared, slots[0])


def main(folder: Path, values: dict[str, Any], count: int) -> None:
    """Measure, after a small training that has loaded all there is to load."""
    prepared = random_data(folder, TASKS, side=28, rows=1100)
    train(prepared, folder, {}, 1)
    before, most = anonymous_memory(), Most()
    most.start()
    predicted = train(prepared, folder, values, count)
    print(json.dumps({"predicted": predicted, "taken": most.stop() - before}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
