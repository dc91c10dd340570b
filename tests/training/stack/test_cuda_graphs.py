from collections.abc import Callable

import pytest
import torch

from pipeline.training.stack.cuda_graphs import StepGraphs
from tests.training.tape import tape


def run(graphs: StepGraphs, key: str | int, step: Callable[[], object]) -> None:
    """As the loop does."""
    if not graphs.replay(key):
        with graphs.step(key):
            step()


def test_the_second_call_with_a_key_is_recorded_and_python_is_not_asked_again() -> None:
    calls: list[str] = []
    total = torch.zeros(2)

    def work(key: str, add: float) -> None:
        calls.append(key)
        total.add_(add)

    graphs = StepGraphs(tape)
    for _ in range(5):
        run(graphs, "one", lambda: work("one", 1.0))
    for _ in range(2):
        run(graphs, "ten", lambda: work("ten", 10.0))
    assert calls == ["one"] * 2 + ["ten"] * 2
    assert total.tolist() == [25.0, 25.0]


def test_beyond_so_many_keys_calls_are_plain() -> None:
    calls: list[int] = []
    graphs = StepGraphs(tape)
    for _ in range(4):
        for key in range(20):
            run(graphs, key, lambda key=key: calls.append(key))
    assert calls.count(0) == 2
    assert calls.count(19) == 4


def test_the_tape_tells_of_a_value_that_the_host_would_wait_for() -> None:
    with pytest.raises(AssertionError, match="makes the host wait"), tape():
        print(torch.ones(1).sum().item())
