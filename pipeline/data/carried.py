"""How many outer folds rows carry: few rows, groups, times or rows of a class carry fewer than are asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.config.data import OuterFolds
from pipeline.data.outer import OuterSource
from pipeline.errors import UserError

SHARE = 0.2
"""Of the rows, that larger ones test."""

USUAL = OuterFolds(folds=5, repeats=2)
"""What smaller ones do."""

_FEWEST, _LEAST_ROWS = 3, 4  # folds that are worth the work; rows of a fold


@dataclass(frozen=True)
class Limit:
    """Why rows carry no more folds.

    Attributes:
        most: So many folds at most.
        why: In words that follow "has".
        of: What there is too little of: where it is `times`, fewer folds than asked for are made; and a `class` that
            has hardly a row keeps no others from testing.
    """

    most: int
    why: str
    of: Literal["rows", "times", "class"] = "rows"


def carried(limits: Mapping[str, Sequence[Limit]], wanted: OuterFolds | None = None) -> tuple[OuterFolds | None, str]:
    """The folds that rows carry.

    Args:
        limits: By source.
        wanted: What is asked for; None for 5 folds x 2.

    Returns:
        The folds, None where too few are left to be worth the work; and why there are fewer, if so.

    Raises:
        UserError: Those that are asked for cannot be had.
    """
    asked, note = wanted or USUAL, ""
    folds = asked.folds
    for name, limit in ((name, limit) for name, own in limits.items() for limit in own):
        has = f"source '{name}' has {limit.why}"
        if wanted and limit.most < wanted.folds and (limit.of != "times" or limit.most < 2):
            lower = f"lower data.test.folds to {limit.most}, or " if limit.most > 1 else ""
            raise UserError(f"data.test.folds={wanted.folds}: {has}: {lower}give data.test a share, such as {SHARE}")
        if not wanted and limit.of != "class" and limit.most < _FEWEST:
            return None, has
        most = limit.most if wanted else max(limit.most, _FEWEST)
        if most < folds:
            folds, note = most, has
    return OuterFolds(folds=folds, repeats=asked.repeats), note


def settled(wanted: OuterFolds | None, sources: Sequence[OuterSource]) -> tuple[OuterFolds | None, list[str]]:
    """How often and in how many folds these sources are cut, all alike.

    Args:
        wanted: What is asked for; None for what the rows carry, at most 5 folds x 2.
        sources: All of them.

    Returns:
        The folds, None where the rows carry none; and lines about what differs from what is wanted.

    Raises:
        UserError: What is asked for cannot be had.
    """
    found, why = carried({it.name: list(_limits(it)) for it in sources}, wanted)
    asked = wanted or USUAL
    if found is None:
        return None, [f"one split tests, and not every row: {why}"]
    notes = [f"{found.folds} folds instead of {asked.folds}: {why}"] if why else []
    for source in sources if asked.repeats > 1 else ():
        if source.is_timed or len(np.unique(source.units)) == found.folds:
            has = "rows in order of time" if source.is_timed else f"{found.folds} groups, and each is a fold"
            notes.append(f"1 repeat instead of {asked.repeats}: source '{source.name}' has {has}")
            return OuterFolds(folds=found.folds, repeats=1), notes
    return found, notes


def _limits(source: OuterSource) -> Iterator[Limit]:
    rows, times = len(source.rows), source.examples.train.time
    yield limit_of_rows(rows)
    if times is not None:
        moments = len(np.unique(times[source.rows.where]))
        yield Limit(moments - 2, f"{moments} different times, of which the first two test nothing", "times")
        return
    yield limit_of_groups(len(np.unique(source.units)), "rows" if source.examples.train.group is None else "groups")
    for label in source.labels:
        yield from _rarest(label, source.rows.labels(label), source.examples.classes[label])


def limit_of_rows(rows: int) -> Limit:
    """That which comes of the number of rows."""
    return Limit(rows // _LEAST_ROWS, f"{rows} rows, and a fold needs {_LEAST_ROWS}")


def limit_of_groups(groups: int, what: str = "groups") -> Limit:
    """That which comes of what stays together."""
    return Limit(groups, f"{groups} different {what}, none of which can be in two folds")


def limit_of_class(rows: int, label: str, name: str) -> Limit:
    """That which comes of the rows of a class."""
    return Limit(rows, f"{rows} rows of class '{name}' of label '{label}'", "class")


def _rarest(label: str, values: np.ndarray, names: Sequence[str]) -> Iterator[Limit]:
    """That of the rarest class; of several labels each counts, and tags do not."""
    floating = np.issubdtype(values.dtype, np.floating)
    if values.ndim == 1 and not floating:
        counts = np.bincount(values[values >= 0], minlength=len(names))
        if occur := np.flatnonzero(counts).tolist():
            rarest = min(occur, key=lambda place: counts[place])
            yield limit_of_class(int(counts[rarest]), label, names[rarest])
    elif values.ndim == 1:
        known = int(np.count_nonzero(~np.isnan(values)))
        yield Limit(known, f"{known} rows with a value of label '{label}'", "class")
    elif floating:
        for name, column in zip(names, values.T, strict=True):
            sides = {value: int(np.count_nonzero(column == value)) for value in (1, 0)}
            value = min(sides, key=lambda it: sides[it])
            if sides[value]:
                yield Limit(sides[value], f"{sides[value]} rows whose label '{name}' is {value}", "class")
