"""Contenders take turns, and a table says what each turn cost."""

import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import click
import pandas as pd


@dataclass
class Spent:
    """What something cost.

    Attributes:
        seconds: Of wall time.
        cpu_seconds: Of processor time, of this process and of the children it has waited for.
        more: Further columns of the table.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    more: dict[str, Any] = field(default_factory=dict)


class Clock(AbstractContextManager["Clock"]):
    """Measures its block.

    Attributes:
        spent: What the block cost, once it is left.
    """

    def __enter__(self) -> "Clock":
        self._wall, self._cpu = time.perf_counter(), _cpu()
        return self

    def __exit__(self, *_: object) -> None:
        self.spent = Spent(time.perf_counter() - self._wall, _cpu() - self._cpu)


@dataclass(frozen=True)
class Contender:
    """Something to measure.

    Attributes:
        name: Its line in the table.
        run: Does one turn and says what it cost.
        per: What a turn's cost is divided by, for example models x steps.
    """

    name: str
    run: Callable[[], Spent]
    per: float = 1.0


def timed(work: Callable[[], object]) -> Callable[[], Spent]:
    """A turn that does some work in this process."""

    def run() -> Spent:
        with Clock() as clock:
            work()
        return clock.spent

    return run


def take_turns(contenders: Sequence[Contender], repeats: int, warm_ups: int = 0) -> pd.DataFrame:
    """Run all contenders one after the other, so many times.

    Returns:
        A row a turn: name, repeat, seconds and cpu_seconds (both divided by `per`), load (the machine's average over
        a minute when the turn began) and what else the turn told.
    """
    rows = []
    for repeat in range(-warm_ups, repeats):
        for it in contenders:
            load = os.getloadavg()[0]
            spent = it.run()
            if repeat >= 0:
                costs = {"seconds": spent.seconds / it.per, "cpu_seconds": spent.cpu_seconds / it.per}
                rows.append({"name": it.name, "repeat": repeat, **costs, "load": load, **spent.more})
                click.echo(f"  {repeat + 1}/{repeats} {it.name}: {_shown(spent.seconds / it.per)}", err=True)
    return pd.DataFrame(rows)


def ratio(table: pd.DataFrame, name: str, to: str, column: str = "seconds") -> float:
    """The median over the repeats of how many times one contender's cost another's is; NaN where one is missing."""
    values = table.pivot_table(index="repeat", columns="name", values=column)
    if name not in values or to not in values:
        return float("nan")
    return float((values[name] / values[to]).median())


def summary(table: pd.DataFrame, column: str = "seconds") -> pd.DataFrame:
    """Least and median cost by contender, in the order of their turns."""
    return table.groupby("name", sort=False)[column].agg(["min", "median"])


def median_of(work: Callable[[], object], times: int) -> float:
    """The median processor seconds of so many calls."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _shown(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1e6:.0f} us"
