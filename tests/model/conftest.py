"""Numbers as in a real process: one thread, denormals flushed."""

import pytest

from pipeline.training.numerics import settle


@pytest.fixture(autouse=True, scope="session")
def settled() -> None:
    settle()
