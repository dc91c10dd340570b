"""How long a network trains, in updates, and after which of them validation is looked at.

An epoch is a pass over the data; a stretch is what is trained from one look at validation to the next.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.config import Experiment
from pipeline.config.training import TrainingSettings
from pipeline.data.plan import plan_of
from pipeline.data.prepared import Prepared

# The rule `auto`, for one_cycle at a peak rate of .005, chosen by `python -m benchmarks.length`: on tables of 100 to
# 1,500 rows three updates a row learn the noise as well and end up to ten points lower on test than one. A schedule
# needs some hundreds to rise and fall; beyond 5,000 rows each new one adds less, and ten times the rows take half as
# many updates again.
UPDATES_A_ROW = 1
LEAST, MOST = 200, 3_000
MANY_ROWS = 5_000
GROWTH = 0.176  # 10 ** .176 = 1.5
LEAST_EPOCHS = 2  # every row is seen twice, whatever its number

LOOKS = 20
NEAR_THE_END = 0.9  # of the updates: what is gained from here on tells whether the end was reached


@dataclass(frozen=True)
class Length:
    """How long a network trains.

    Attributes:
        updates: In all.
        looks: Numbers of updates after which validation is looked at, ascending; the last is `updates`.
    """

    updates: int
    looks: Sequence[int]

    def epochs(self, looks: int, steps: int) -> Iterator[tuple[int, range]]:
        """The updates from one look to the next.

        Args:
            looks: So far.
            steps: Of an epoch.

        Yields:
            Numbers of epochs, and of the steps in each that are due, from 0.
        """
        done = self.looks[looks - 1] if looks else 0
        while done < self.looks[looks]:
            epoch, first = divmod(done, steps)
            last = min(steps, self.looks[looks] - epoch * steps)
            yield epoch, range(first, last)
            done += last - first


def length(settings: TrainingSettings, steps: int, rows: int) -> Length:
    """The length that settings ask for.

    Args:
        settings: `epochs`, else `updates`.
        steps: Of an epoch.
        rows: Training rows of the longest source.
    """
    if settings.epochs is not None:
        updates = settings.epochs * steps
        return Length(updates, range(steps, updates + 1, steps))
    updates = automatic(rows, steps) if settings.updates == "auto" else settings.updates
    return Length(updates, _looks(updates, steps))


def automatic(rows: int, steps: int) -> int:
    """The updates of `auto`, for so many training rows of the longest source and steps of an epoch."""
    if rows <= MANY_ROWS:
        updates = min(max(UPDATES_A_ROW * rows, LEAST), MOST)
    else:
        updates = round(MOST * (rows / MANY_ROWS) ** GROWTH)
    return max(updates, LEAST_EPOCHS * steps)


def length_of(prepared: Prepared, experiment: Experiment) -> Length:
    """How long an experiment trains on these data."""
    steps = plan_of(prepared, experiment).steps
    return length(experiment.training, steps, max(prepared.train_rows.values()))


def _looks(updates: int, steps: int) -> tuple[int, ...]:
    """About twenty looks, not more often than once an epoch where an epoch is longer, and one near the end."""
    count = min(max(updates // steps, 1), LOOKS)
    even = {round(updates * number / count) for number in range(1, count + 1)}
    return tuple(sorted(even | {round(NEAR_THE_END * updates)}))
