"""Runs are found by their id or its beginning, whichever experiment they are of."""

from pathlib import Path

import pytest

from pipeline.commands.lookup import find_run, tracker_here
from pipeline.errors import UserError
from pipeline.tracking.tracker import Tracker


def test_a_run_is_found_by_the_beginning_of_its_id(project: Path) -> None:
    ids = [Tracker(project, name).start("train", {}).id for name in ("one", "other")]
    tracker = tracker_here()
    for run_id in ids:
        assert find_run(tracker, run_id).info.run_id == run_id
        assert find_run(tracker, run_id[:12]).info.run_id == run_id
    with pytest.raises(UserError, match="run 'xyz': no such run"):
        find_run(tracker, "xyz")
    with pytest.raises(UserError, match="run '': more than one run's id begins so"):
        find_run(tracker, "")


def test_looking_makes_no_experiment(project: Path) -> None:
    assert [it.name for it in tracker_here().client.search_experiments()] == ["Default"]


def test_a_deleted_run_is_not_found(project: Path) -> None:
    own = Tracker(project, "one")
    run_id = own.start("train", {}).id
    own.client.delete_run(run_id)
    with pytest.raises(UserError, match="no such run"):
        find_run(tracker_here(), run_id)
