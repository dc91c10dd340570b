import pytest
import torch

from pipeline.training.graph import Recorded
from tests.training.tape import tape


def test_without_a_way_to_record_each_call_is_a_plain_one() -> None:
    calls: list[int] = []
    run = Recorded[str](None)
    for number in range(3):
        run("a", lambda number=number: calls.append(number))
    assert calls == [0, 1, 2]


def test_the_second_call_with_a_key_is_recorded_and_python_is_not_asked_again() -> None:
    calls: list[str] = []
    total = torch.zeros(2)

    def work(key: str, add: float) -> None:
        calls.append(key)
        total.add_(add)

    run = Recorded[str](tape)
    for _ in range(5):
        run("one", lambda: work("one", 1.0))
    for _ in range(2):
        run("ten", lambda: work("ten", 10.0))
    assert calls == ["one"] * 2 + ["ten"] * 2
    assert total.tolist() == [25.0, 25.0]


def test_beyond_so_many_keys_calls_are_plain() -> None:
    calls: list[int] = []
    run = Recorded[int](tape)
    for _ in range(4):
        for key in range(20):
            run(key, lambda key=key: calls.append(key))
    assert calls.count(0) == 2
    assert calls.count(19) == 4


def test_the_tape_tells_of_a_value_that_the_host_would_wait_for() -> None:
    with pytest.raises(AssertionError, match="makes the host wait"):
        tape(lambda: print(torch.ones(1).sum().item()))()
