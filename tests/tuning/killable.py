"""A search in a process of its own, to be killed, or to kill itself after some epochs."""

import os
import signal
import sys
from itertools import count
from pathlib import Path

from pipeline.config import Experiment
from pipeline.data.prepared import open_prepared
from pipeline.tuning import samplers
from pipeline.tuning.search import Callbacks

from .studies import searched


def main(experiment: str, prepared: str, folder: str, startup_trials: str, epochs: str) -> None:
    samplers.STARTUP_TRIALS = int(startup_trials)
    wanted = Experiment.model_validate_json(Path(experiment).read_text())
    assert isinstance(wanted.processes, int)
    done = count(1)

    def on_epoch(_: object) -> None:
        if next(done) == int(epochs):
            os.kill(os.getpid(), signal.SIGKILL)

    callbacks = Callbacks(look=on_epoch)
    searched(wanted, open_prepared(Path(prepared)), Path(folder), wanted.processes, callbacks)


if __name__ == "__main__":
    main(*sys.argv[1:])
