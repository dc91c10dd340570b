"""What costs time is done as often as it is cheap."""

import math

import pytest

from pipeline import throttle
from pipeline.throttle import Throttle


class Clock:
    """Time that passes when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(throttle.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_it_is_first_due_after_two_seconds(clock: Clock) -> None:
    own = Throttle()
    clock.now += 1.99
    assert not own.due()
    clock.now += 0.02
    assert own.due()


def test_what_took_long_is_due_again_after_longer(clock: Clock) -> None:
    own = Throttle(share=0.01)
    for cost in (0.5, 0.125):
        with own.timed():
            clock.now += cost
        clock.now += 99 * cost
        assert not own.due()
        clock.now += cost
        assert own.due()


def test_with_all_the_time_it_is_always_due(clock: Clock) -> None:
    own = Throttle(share=math.inf)
    assert own.due()
    with own.timed():
        clock.now += 5.0
    assert own.due()
