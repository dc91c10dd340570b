import pytest

from pipeline.data.prepared import Prepared

from .studies import digits, prepared_at


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared_at(digits(), tmp_path_factory.mktemp("digits") / "prepared")


@pytest.fixture(autouse=True)
def early_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """TPE proposes from the second batch of four on, not only from the third of eight."""
    monkeypatch.setattr("pipeline.tuning.samplers.STARTUP_TRIALS", 4)
