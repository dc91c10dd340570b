"""What an actor of `benchmarks.common.sleeping_hosts` runs; it is sent there by value, and imports nothing else."""

import time


class Sleeper:
    """Sleeps instead of training."""

    def sleep(self, seconds: float) -> None:
        """Do nothing for so long."""
        time.sleep(seconds)
