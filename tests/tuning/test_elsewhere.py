"""A study that dies in one folder goes on in another: what it needs are its storage and, to save time, checkpoints."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import fsspec
import pytest
from optuna.study import Study

from pipeline.data.prepared import Prepared
from pipeline.errors import StudyStopped
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.places import Place, place_of
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning.search import search
from pipeline.tuning.writer import TrialWriter

from .studies import assert_equal, digits, searched, study_in
from .test_kills import QUICK, Killed, kill_at


@pytest.fixture(scope="module")
def reference(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Study:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.tuning.samplers.STARTUP_TRIALS", 4)
        return searched(digits(QUICK), prepared, tmp_path_factory.mktemp("reference"))


@pytest.fixture
def store() -> Iterator[Place]:
    yield place_of(f"memory://{uuid.uuid4().hex}") / "study"
    fsspec.filesystem("memory").store.clear()


def searched_at(place: Path | Place, prepared: Prepared, url: str, here: Path) -> Study:
    study = study_in(here, url)
    with WorkerPool(1) as pool:
        search(study, digits(QUICK), prepared, pool, place)
    return study


@pytest.mark.parametrize("kept", [True, False], ids=["checkpoints", "none"])
def test_a_study_killed_twice_and_resumed_in_other_folders_equals_an_unbroken_one(
    kept: bool, prepared: Prepared, reference: Study, store: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoint, "due", lambda _: True)  # after every epoch, not every two seconds
    url, study = f"sqlite:///{tmp_path}/studies.db", None
    for machine in range(3):
        here = tmp_path / f"machine-{machine}"
        with monkeypatch.context() as patch, suppress(Killed):
            if machine < 2:
                kill_at(patch, [(TrialWriter, "report")], 2, before=False)
            study = searched_at(store if kept else here / "checkpoints", prepared, url, here)
        assert (study is None) == (machine < 2)
    assert study is not None
    assert_equal(study, reference)


def test_a_study_that_is_ended_loses_no_epoch_and_equals_an_unbroken_one(
    prepared: Prepared, reference: Study, store: Place, tmp_path: Path
) -> None:
    url, looks = f"sqlite:///{tmp_path}/studies.db", count(1)
    ending = replace(store, ending=lambda: StudyStopped("somebody") if next(looks) > 2 else None)
    with pytest.raises(StudyStopped):
        searched_at(ending, prepared, url, tmp_path / "one")
    known = study_in(tmp_path / "other", url).get_trials()
    kept = Checkpoint(store / "batch-0.safetensors").read()
    assert [len(it.intermediate_values) for it in known] == [it.looks for it in kept.values()]
    assert all(it.looks > 0 for it in kept.values())
    assert_equal(searched_at(store, prepared, url, tmp_path / "other"), reference)
