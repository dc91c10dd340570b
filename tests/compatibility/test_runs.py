"""What runs of an earlier version logged of their experiments and keys is still read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import call_headway

from .make import EXPERIMENTS
from .unpacked import ONE_SPLIT, unpacked

NAMES = ("debug", *EXPERIMENTS)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield unpacked("models", tmp_path_factory.mktemp("runs"), patch)


def trained(project: Path, name: str) -> str:
    """The run that trained the experiment as written."""
    where = f"attributes.run_name = 'train default' and tags.`{tags.EXPERIMENT}` = '{name}'"
    found = [it.info.run_id for it in Tracker(project, name).runs(where)]
    (run_id,) = found
    return str(run_id)


@pytest.mark.parametrize("name", NAMES)
def test_a_runs_experiment_is_read(project: Path, name: str) -> None:
    told = call_headway("rerun", trained(project, name))
    # It is read before its data are looked for, which are not in the archive.
    assert told.code == 1
    assert told.err.startswith("headway: its prepared data (")
    assert told.err.endswith(f" are gone: headway prepare {name} makes them\n")


@pytest.mark.parametrize("name", NAMES)
def test_a_runs_key_is_held_against_todays(project: Path, name: str) -> None:
    told = call_headway("why", "train", name, *ONE_SPLIT)
    assert (told.code, told.err) == (0, "")
    run_id = trained(project, name)
    assert told.out.startswith(
        (f"train default: changed since run {run_id}", f"train default: the same key as run {run_id}")
    )


def test_two_runs_are_compared(project: Path) -> None:
    told = call_headway("diff", trained(project, "table"), trained(project, "mmoe"), "--json")
    assert (told.code, told.err) == (0, "")
    assert told.json["configuration"]["model.sharing.kind"] == ["shared", "mmoe"]
