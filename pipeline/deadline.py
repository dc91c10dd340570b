"""Waits for work that may hang, as a name's look-up, a silent host or a disk that is away can."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class LateError(Exception):
    """Work has not answered in time; it may go on."""


def answer_within(seconds: float, work: Callable[[], T]) -> T:
    """What some work answers, done in a thread because it can block for longer than any timeout of its own.

    >>> answer_within(5.0, lambda: 6 * 7)
    42

    Args:
        seconds: For which it is waited for.
        work: Is left alone where it takes longer.

    Raises:
        LateError: It takes longer.
        Exception: What the work raised.
    """
    answers: list[T] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            answers.append(work())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise LateError
    return answers[0]
