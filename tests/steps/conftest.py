"""What tests of steps share: a registry of the tests of serving."""

from tests.serving.conftest import client

__all__ = ["client"]
