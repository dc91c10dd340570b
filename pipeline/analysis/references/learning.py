"""Learning within a time: first from more and more rows, then in rounds.

How long a round takes is measured on a few rows. Rows are added while a round takes a small part of the time, and then
rounds while they fit in what is left. With enough time nothing is cut, and what is learnt does not depend on the time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

Clock = Callable[[], float]

_FEW = 100  # rows that are tried first
_LEGS = 20  # a round takes at most this part of the time
_GROWTH = 4  # times as many rows, or rounds, as were tried before
_SPARE = 2.0  # times the seconds that rows should take by those that fewer took
_WORTH = 1.5  # times as many rows are worth starting anew
_LATE = 20  # rounds that are fewer than this part of those done are not worth a start
_ANSWERED = 10_000  # rows that are answered to see how long it takes
_INSTANT = 1e-6


class Allowance:
    """Seconds that may be spent from now on.

    Args:
        seconds: How many.
        clock: Tells seconds.
    """

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.now, self._end = clock, clock() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self._end - self.now())

    def part(self, among: int) -> "Allowance":
        """An equal share of what is left."""
        return Allowance(self.left / among, self.now)

    def since(self, began: float) -> float:
        """Seconds since then, above 0."""
        return max(self.now() - began, _INSTANT)


class Learner(Protocol):
    """A model of one target that learns in rounds."""

    def learn(self, rounds: int) -> bool:
        """Learn for so many rounds more, at least one; whether there is nothing left to learn."""

    def answer(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities [N, C] or numbers [N] of rows [N, F]."""

    @property
    def coarser(self) -> str:
        """What is left out so that it fits in memory, in words; empty where nothing is."""


@dataclass(frozen=True)
class Method:
    """A way to learn.

    Attributes:
        title: What it is called.
        rounds: The most that it learns for.
        library: The module that it needs: to load it takes none of the time.
        growth: How many times the last number of rounds come next; 1 where each is learnt for itself.
    """

    title: str
    rounds: int
    library: str
    growth: int = _GROWTH


@dataclass(frozen=True)
class Learnt:
    """What came of it.

    Attributes:
        learner: The model.
        rows: It has learnt from.
        rounds: It has learnt for.
        seconds: This took.
        over: There is nothing left to learn from these rows.
    """

    learner: Learner
    rows: int
    rounds: int
    seconds: float
    over: bool


def learnt(
    method: Method,
    start: Callable[[np.ndarray], Learner],
    order: np.ndarray,
    asked: np.ndarray,
    allowance: Allowance,
) -> Learnt:
    """Learn from as many rows and for as many rounds as the allowance has room for; at least a few rows, one round.

    Args:
        method: How it learns.
        start: Makes a learner of rows by their numbers.
        order: Numbers of the rows, in the order in which they are added.
        asked: Rows that are to be answered afterwards, within the allowance.
        allowance: The time.
    """
    found = _in_rounds(method, _from_rows(method, start, order, allowance), asked, allowance)
    while (count := _worth(found.rows, _fit(found, allowance), len(order))) > found.rows:
        del found  # before the next takes its memory
        found = _in_rounds(method, _tried(start, order[:count], allowance), asked, allowance)
    return found


def _fit(found: Learnt, allowance: Allowance) -> float:
    """Rows that fit in what is left if they take their part of what was taken, and some more."""
    return found.rows * allowance.left / (_SPARE * found.seconds)


def _from_rows(
    method: Method, start: Callable[[np.ndarray], Learner], order: np.ndarray, allowance: Allowance
) -> Learnt:
    """After one round, from as many rows as have room for some rounds."""
    legs = min(_LEGS, 2 * method.rounds)
    count, before, then = _FEW, 0, 0.0
    while True:
        found = _tried(start, order[:count], allowance)
        if 0 < allowance.left < legs * found.seconds:  # once more: any may be held up
            del found  # before the next takes its memory
            found = _tried(start, order[:count], allowance)
        rows, took = found.rows, found.seconds
        if rows == len(order):
            return found
        each = (took - then) / (rows - before) if before else took / (2 * rows)  # half of the first is its start
        count = _worth(rows, rows + (allowance.left / legs - took) / max(each, _INSTANT / rows), len(order))
        if count == rows:
            return found
        before, then = rows, took
        del found


def _worth(rows: int, fit: float, all_rows: int) -> int:
    """How many rows come next where so many fit; as many as were tried where no more are worth a start."""
    found = min(fit, _GROWTH * rows, all_rows)
    return int(found) if found >= min(_WORTH * rows, all_rows) else rows


def _tried(start: Callable[[np.ndarray], Learner], rows: np.ndarray, allowance: Allowance) -> Learnt:
    """After one round."""
    began = allowance.now()
    learner = start(np.sort(rows))
    over = learner.learn(1)
    return Learnt(learner, len(rows), 1, allowance.since(began), over)


def _in_rounds(method: Method, found: Learnt, asked: np.ndarray, allowance: Allowance) -> Learnt:
    """After all rounds, or those that fit."""
    last, took = found.rounds, found.seconds
    while not found.over and found.rounds < method.rounds:
        answering = _answering(found.learner, asked, allowance)
        last = _next(method, found.rounds, last, took / last + answering / found.rounds, allowance.left - answering)
        if not last:
            break
        began = allowance.now()
        over = found.learner.learn(last) or found.rounds + last == method.rounds
        took = allowance.since(began)
        found = replace(found, rounds=found.rounds + last, seconds=found.seconds + took, over=over)
    return found


def _answering(learner: Learner, asked: np.ndarray, allowance: Allowance) -> float:
    """Seconds that it takes to answer all that is asked, by the first rows of it."""
    few, began = asked[:_ANSWERED], allowance.now()
    learner.answer(few)
    return allowance.since(began) * len(asked) / max(len(few), 1)


def _next(method: Method, done: int, last: int, each: float, left: float) -> int:
    """How many rounds come next; 0 where they are not worth a start.

    Args:
        method: How it learns.
        done: Rounds so far.
        last: Rounds of the last start.
        each: Seconds of a round, with its parts of what a start takes and of answering, which grows with them at most.
        left: Seconds that are left.
    """
    fit, missing = int(left / each), method.rounds - done
    if fit >= missing:
        return missing
    found = min(fit // 2, method.growth * last, missing)
    return found if found >= max(1, done // _LATE) else 0
