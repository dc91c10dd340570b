"""The store that the tests of a file log their models to."""

from collections.abc import Iterator

import mlflow
import pytest

from tests.serving.packages import store


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mlflow.MlflowClient]:
    with store(tmp_path_factory.mktemp("store")) as client:
        yield client
