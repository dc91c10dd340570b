"""Families of made tables of which it is known whether sharing helps.

16 standard normal inputs; the answer to a question is a teacher of 6 tanh units, plus noise, and its sign is the class.
Tasks are asked by one teacher or by several, some of their labels are missing, and the network may be too narrow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from pipeline.draws import seed_of

INPUTS, UNITS = 16, 6
FEW = 2_000
"""The most rows of a table that is also tested by outer folds."""

_SLOPE = 2.0  # standard deviation of what enters a unit: tanh is far from a straight line there
_NORMALISED_BY = 4096  # rows by which a teacher's standard deviation is brought to 1

Kind = Literal["helps", "hurts", "null", "coin", "mixed"]


@dataclass(frozen=True)
class Task:
    """A question.

    Attributes:
        teacher: Number of the function that answers; tasks of the same number ask the same.
        labelled: Share of the rows that have its label.
        noise: Standard deviation of what is added to the function, whose own is 1.
        heard: Number of the noise; by default each task has its own. Tasks of one function and one noise are copies.
        number: The target is the value; else its sign.
        coin: The target is a fair coin instead.
    """

    teacher: int = 0
    labelled: float = 1.0
    noise: float = 0.3
    heard: int | None = None
    number: bool = False
    coin: bool = False


@dataclass(frozen=True)
class Family:
    """Data sets of one kind and size.

    Attributes:
        name: Of the family.
        kind: What sharing does there.
        rows: Of a data set: train, validation and test together.
        tasks: The questions.
        widths: Of the network's hidden layers.
        jobs: How many of them are run.
        settings: More `--set` values.
        folded: How many are run where every row tests; by default as many, and none of more than `FEW` rows.
    """

    name: str
    kind: Kind
    rows: int
    tasks: tuple[Task, ...]
    widths: tuple[int, ...]
    jobs: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    folded: int | None = None

    @property
    def by_folds(self) -> int:
        """How many jobs are run where every row tests."""
        return (self.jobs if self.rows <= FEW else 0) if self.folded is None else self.folded

    @property
    def title(self) -> str:
        """Its name and size."""
        return f"{self.name} {self.rows}"

    @property
    def targets(self) -> str:
        """As `headway init --targets` takes them."""
        kinds = ("regression" if task.number else "binary" for task in self.tasks)
        return ",".join(f"t{number}:{kind}" for number, kind in enumerate(kinds))

    @property
    def is_null(self) -> bool:
        """Whether sharing makes no difference there."""
        return self.kind in ("null", "coin")

    @property
    def is_complete(self) -> bool:
        """Whether every row has every label."""
        return all(task.labelled == 1.0 for task in self.tasks)

    def table(self, seed: int, rows: int | None = None, tested: int = 0) -> pd.DataFrame:
        """A data set.

        Args:
            seed: Of its draws; the functions are those of the family.
            rows: How many; by default the family's.
            tested: Rows to add that a column `split` calls `test`, and the others `train`; 0 for no such column.
        """
        count = (self.rows if rows is None else rows) + tested
        draws = np.random.default_rng(seed_of("truth", self.title, seed))
        inputs = draws.standard_normal((count, INPUTS))
        functions = {task.teacher: _teacher(self.name, task.teacher) for task in self.tasks}
        heard = {place if it.heard is None else -1 - it.heard: it.noise for place, it in enumerate(self.tasks)}
        noises = {number: scale * draws.standard_normal(count) for number, scale in heard.items()}
        columns = {f"x{number}": inputs[:, number] for number in range(INPUTS)}
        for place, task in enumerate(self.tasks):
            value = functions[task.teacher](inputs) + noises[place if task.heard is None else -1 - task.heard]
            target = draws.integers(2, size=count).astype(float) if task.coin else value
            target = target if task.number or task.coin else (target > 0).astype(float)
            # What is tested has all of its labels: the question is the same, and better answered.
            unknown = draws.random(count) >= task.labelled
            unknown[count - tested :] &= not tested
            shown = pd.array(np.where(unknown, np.nan, target), dtype="Float64")
            columns[f"t{place}"] = shown if task.number else shown.astype("Int64")
        frame = pd.DataFrame(columns)
        if tested:
            frame["split"] = np.where(np.arange(count) < count - tested, "train", "test")
        return frame


def _teacher(name: str, number: int) -> Any:
    """A function of rows [N, INPUTS] whose standard deviation is 1."""
    draws = np.random.default_rng(seed_of("truth", name, "teacher", number))
    weights = _SLOPE * draws.standard_normal((INPUTS, UNITS)) / np.sqrt(INPUTS)
    read = draws.standard_normal(UNITS)
    scale = (np.tanh(draws.standard_normal((_NORMALISED_BY, INPUTS)) @ weights) @ read).std()
    return lambda inputs: np.tanh(inputs @ weights) @ read / scale


def _same(count: int, **about: Any) -> tuple[Task, ...]:
    return (Task(**about),) * count


def _unrelated(count: int) -> tuple[Task, ...]:
    return tuple(Task(teacher=number) for number in range(count))


def _copies(count: int) -> tuple[Task, ...]:
    return (Task(heard=0),) * count


_ONE_HELPED = (Task(0, labelled=0.1), Task(0), Task(1), Task(2))
"""A task with few labels beside one that asks the same, and two that ask for something else of a narrow network."""

FAMILIES = (
    Family("same function, few labels", "helps", 150, _same(6, labelled=0.2), (128, 128), 15),
    Family("same function, few labels", "helps", 500, _same(4, labelled=0.15), (64, 64), 40),
    Family("same function, few labels", "helps", 1000, _same(8, labelled=0.1), (64, 64), 26),
    Family("same function, few labels", "helps", 2000, _same(6, labelled=0.1), (64, 64), 6),
    Family("same function, few labels", "helps", 20000, _same(5, labelled=0.01), (64, 64), 5),
    Family("same function, much noise", "helps", 150, _same(8, noise=1.0), (2,), 10),
    Family("numbers beside classes", "helps", 300, (*_same(2, labelled=0.2), *_same(2, labelled=0.2, number=True)),
           (64, 64), 45),
    Family("unrelated, narrow", "hurts", 150, _unrelated(4), (2,), 50),
    Family("unrelated, narrow", "hurts", 500, _unrelated(4), (2,), 50),
    Family("unrelated, narrow", "hurts", 5000, _unrelated(4), (2,), 5),
    Family("unrelated, width 4", "hurts", 500, _unrelated(6), (4,), 10),
    Family("unrelated, width 4", "hurts", 2000, _unrelated(4), (4,), 8),
    Family("one helped, others hurt", "mixed", 500, _ONE_HELPED, (3,), 45),
    Family("one helped, others hurt", "mixed", 2000, _ONE_HELPED, (3,), 10),
    Family("copies", "null", 150, _copies(4), (64, 64), 70),
    Family("copies", "null", 500, _copies(4), (64, 64), 70),
    Family("copies", "null", 2000, _copies(3), (32,), 20, folded=40),
    Family("copies, easy and large", "null", 40000, _copies(2), (16,), 40),
    Family("fair coins", "coin", 150, (Task(coin=True),) * 4, (32,), 60),
    Family("fair coins", "coin", 500, (Task(coin=True),) * 4, (32,), 60),
)  # fmt: skip
"""Fixed before the first run: 625 jobs, three quarters of them of at most 500 rows and four tasks. Only then 20 more of
few labels in 1,000 rows: of six jobs the estimates' spread came out a sixth of their own standard errors.
"""
