"""What is done behind is done in order, and its failures are heard of."""

import threading

import pytest

from pipeline.tuning.behind import Behind


def test_work_is_done_in_order_in_another_thread_and_all_of_it_before_the_end() -> None:
    done: list[tuple[int, bool]] = []
    here = threading.get_ident()
    with Behind() as behind:
        for number in range(5):
            behind.do(lambda number=number: done.append((number, threading.get_ident() == here)))  # type: ignore[misc]
    assert done == [(number, False) for number in range(5)]


def test_the_caller_goes_on_meanwhile() -> None:
    told, done = threading.Event(), threading.Event()

    def work() -> None:
        told.wait()
        done.set()

    with Behind() as behind:
        behind.do(work)
        assert not done.is_set()
        told.set()
        behind.wait()
        assert done.is_set()


def fail() -> None:
    raise OSError("no space")


def test_a_failure_is_raised_once_by_whatever_is_called_next() -> None:
    done: list[int] = []
    with Behind() as behind:
        behind.do(fail)
        with pytest.raises(OSError, match="no space"):
            behind.do(lambda: done.append(1))
        behind.wait()
        behind.do(lambda: done.append(2))
    assert done == [2]


def test_a_failure_of_the_last_work_is_raised_at_the_end() -> None:
    with pytest.raises(OSError, match="no space"), Behind() as behind:
        behind.do(fail)


def test_an_error_of_the_caller_is_not_hidden_and_what_was_begun_is_done() -> None:
    done: list[int] = []

    def work() -> None:
        done.append(1)
        fail()

    def caller() -> None:
        with Behind() as behind:
            behind.do(work)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        caller()
    assert done == [1]
