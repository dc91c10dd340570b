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

Of = Literal["rows", "different", "groups", "times"]


@dataclass(frozen=True)
class Limit:
    """Why rows carry no more folds.

    Attributes:
        most: So many folds at most.
        why: In words that follow "has".
        of: What there is too little of. Of `times` fewer folds than asked for are made; times, and `groups` or
            `different` rows of which each is a fold, can be cut in one way alone.
    """

    most: int
    why: str
    of: Of = "rows"


def carried(
    limits: Mapping[str, Sequence[Limit]], wanted: OuterFolds | None = None
) -> tuple[OuterFolds | None, list[str]]:
    """The folds that rows carry, all sources alike.

    Args:
        limits: By source.
        wanted: What is asked for; None for 5 folds x 2.

    Returns:
        The folds, None where too few are left to be worth the work; and lines about what differs from what is wanted.

    Raises:
        UserError: Those that are asked for cannot be had.
    """
    asked, few = wanted or USUAL, ""
    folds, repeats, once = asked.folds, asked.repeats, ""
    own = [(limit, f"source '{name}' has {limit.why}") for name, limits_ in limits.items() for limit in limits_]
    for limit, has in own:
        if wanted and limit.most < wanted.folds and (limit.of != "times" or limit.most < 2):
            raise UserError(f"data.test.folds={wanted.folds}: {has}: {_remedy(limit)}")
        if not wanted and limit.most < _FEWEST:
            return None, [f"one split tests, and not every row: {has}"]
        if limit.most < folds:
            folds, few = limit.most, has
    for limit, has in own:
        if repeats > 1 and (limit.of == "times" or (limit.of in ("different", "groups") and limit.most == folds)):
            repeats, once = 1, has
    lines = [f"{folds} folds instead of {asked.folds}: {few}"] if few else []
    lines += [f"1 repeat instead of {asked.repeats}: {once}"] if once else []
    return OuterFolds(folds=folds, repeats=repeats), lines


def _remedy(limit: Limit) -> str:
    share = f"give data.test a share, such as {SHARE}"
    if limit.most > 1:
        return f"lower data.test.folds to {limit.most}, or {share}"
    return f"leave out its {limit.of.removesuffix('s')}" if limit.of in ("groups", "times") else share


def limits_of(source: OuterSource) -> list[Limit]:
    """Those of a source that has been read."""
    return list(_limits(source))


def _limits(source: OuterSource) -> Iterator[Limit]:
    rows, times = len(source.rows), source.examples.train.time
    yield limit_of_rows(rows)
    if times is not None:
        moments = len(np.unique(times[source.rows.where]))
        yield Limit(moments - 2, f"{_counted(moments, 'different time')}, and the first two test nothing", "times")
        return
    yield limit_of_groups(len(np.unique(source.units)), "row" if source.examples.train.group is None else "group")
    for label in source.labels:
        yield from _rarest(label, source.rows.labels(label), source.examples.classes[label])


def limit_of_rows(rows: int) -> Limit:
    """That which comes of the number of rows."""
    return Limit(rows // _LEAST_ROWS, f"{_counted(rows, 'row')}, and a fold needs {_LEAST_ROWS}")


def limit_of_groups(groups: int, what: str = "group") -> Limit:
    """That which comes of what stays together."""
    of: Of = "groups" if what == "group" else "different"
    return Limit(groups, f"{_counted(groups, f'different {what}')}, and none can be in two folds", of)


def limit_of_class(rows: int, label: str, name: str) -> Limit:
    """That which comes of the rows of a class."""
    return _limit_of_rare(rows, f"of class '{name}' of label '{label}'")


def _limit_of_rare(rows: int, what: str) -> Limit:
    """That of a class or a label: one that has hardly a row keeps no others from testing."""
    return Limit(max(rows, _FEWEST), f"{_counted(rows, 'row')} {what}")


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
        yield _limit_of_rare(known, f"with a value of label '{label}'")
    elif floating:
        for name, column in zip(names, values.T, strict=True):
            sides = {value: int(np.count_nonzero(column == value)) for value in (1, 0)}
            value = min(sides, key=lambda it: sides[it])
            if sides[value]:
                yield _limit_of_rare(sides[value], f"whose label '{name}' is {value}")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
