"""What is done behind is done in order, and its failures are heard of."""

import threading

import pytest

from pipeline.tuning.background_queue import BackgroundQueue


def test_work_is_done_in_order_in_another_thread_and_all_of_it_before_the_end() -> None:
    done: list[tuple[int, bool]] = []
    here = threading.get_ident()
    with BackgroundQueue() as queue:
        for number in range(5):
            queue.submit(lambda number=number: done.append((number, threading.get_ident() == here)))  # type: ignore[misc]
    assert done == [(number, False) for number in range(5)]


def test_the_caller_goes_on_meanwhile() -> None:
    told, done = threading.Event(), threading.Event()

    def work() -> None:
        told.wait()
        done.set()

    with BackgroundQueue() as queue:
        queue.submit(work)
        assert not done.is_set()
        told.set()
        queue.wait()
        assert done.is_set()


def fail() -> None:
    raise OSError("no space")


def test_a_failure_is_raised_once_by_whatever_is_called_next() -> None:
    done: list[int] = []
    with BackgroundQueue() as queue:
        queue.submit(fail)
        with pytest.raises(OSError, match="no space"):
            queue.submit(lambda: done.append(1))
        queue.wait()
        queue.submit(lambda: done.append(2))
    assert done == [2]


def test_a_failure_of_the_last_work_is_raised_at_the_end() -> None:
    with pytest.raises(OSError, match="no space"), BackgroundQueue() as queue:
        queue.submit(fail)


def test_an_error_of_the_caller_is_not_hidden_and_what_was_begun_is_done() -> None:
    done: list[int] = []

    def work() -> None:
        done.append(1)
        fail()

    def caller() -> None:
        with BackgroundQueue() as queue:
            queue.submit(work)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        caller()
    assert done == [1]
