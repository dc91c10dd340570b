"""Starts a node of Ray's that ends with the process that started this program, however that ends.

Run as a program with the options of `ray start`; ends, with all that it started, when its standard input is closed.
"""

import os
import signal
import sys
import threading


def _end_with_input() -> None:
    """Wait until whoever holds the other end closes it, or is gone."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    from ray.scripts.scripts import main

    sys.argv = ["ray", "start", "--block", *sys.argv[1:]]
    main()
