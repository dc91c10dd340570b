"""The same study on a PostgreSQL server of its own; skipped where the server or the driver is not installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.tuning.storage import check_storage
from pipeline.tuning.study import open_study

from .postgres import postgres
from .studies import digits, searched, values_of


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that trusts everybody."""
    with postgres() as started:
        yield started.url


def test_a_study_on_postgresql_equals_one_on_sqlite(server: str, prepared: Prepared, tmp_path: Path) -> None:
    whole = searched(digits(), prepared, tmp_path / "sqlite")
    searched(digits({"tuning.trials": 8}), prepared, tmp_path / "postgresql", url=server)
    study = searched(digits(), prepared, tmp_path / "postgresql", url=server)
    assert values_of(study).equals(values_of(whole))


def test_a_database_that_does_not_exist_is_a_failure_without_the_password(server: str, tmp_path: Path) -> None:
    url = server.removesuffix("postgres") + "other"
    with pytest.raises(Failure, match=r'database "other" does not exist') as caught:
        check_storage(url)
    assert "secret" not in str(caught.value)
    with pytest.raises(Failure, match=r'database "other" does not exist'):
        open_study("study", url, tmp_path / "lock")
