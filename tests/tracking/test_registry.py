"""Registered models are described, and tied to their figures."""

import json
from pathlib import Path

import pytest

from pipeline.tracking import registry
from pipeline.tracking.run import Run
from pipeline.tracking.tracker import Tracker


@pytest.fixture
def tracker(project: Path) -> Tracker:
    return Tracker(project, "trying")


def registered(tracker: Tracker, run: Run, about: str = "about it") -> tuple[str, str]:
    """A logged model of a run, and the version that it became."""
    model = tracker.client.create_logged_model(tracker.experiment_id, "mine", run.id)
    tracker.client.finalize_logged_model(model.model_id, "READY")
    version = registry.register(
        tracker.client, "mine", f"models:/{model.model_id}", model.model_id, run.id, {}, "why it is", about
    )
    return model.model_id, version.version


def test_model_and_version_are_described_and_name_each_other(tracker: Tracker) -> None:
    model_id, number = registered(tracker, tracker.start("select", {}))
    client = tracker.client
    version = client.get_model_version("mine", number)
    assert version.description == "why it is"
    assert client.get_registered_model("mine").description == "about it"
    told = client.get_logged_model(model_id).tags
    assert told["mlflow.note.content"] == "why it is"
    assert json.loads(told["mlflow.modelVersions"]) == [{"name": "mine", "version": str(number)}]
    model = registry.logged_model(client, version)
    assert model is not None
    assert model.model_id == model_id


def test_what_someone_wrote_of_a_model_stays(tracker: Tracker) -> None:
    tracker.client.create_registered_model("mine", description="by hand")
    registered(tracker, tracker.start("select", {}))
    assert tracker.client.get_registered_model("mine").description == "by hand"


def test_a_model_without_a_description_gets_one(tracker: Tracker) -> None:
    tracker.client.create_registered_model("mine")
    registered(tracker, tracker.start("select", {}))
    assert tracker.client.get_registered_model("mine").description == "about it"


def test_metrics_are_tied_once_and_the_runs_own_points_stay_one(tracker: Tracker) -> None:
    run = tracker.start("evaluate", {})
    run.metrics({"test/a/accuracy": 0.5, "test/a/nll": 0.25})
    model_id, _ = registered(tracker, tracker.start("select", {}))
    for _ in range(2):
        stored, model = tracker.get(run.id), tracker.client.get_logged_model(model_id)
        assert stored is not None
        registry.tie(tracker.client, model, stored, {"test/a/accuracy": ("prepared.test", "d1")})
    (tied,) = tracker.client.get_logged_model(model_id).metrics or []
    assert (tied.key, tied.value, tied.dataset_name, tied.dataset_digest) == (
        "test/a/accuracy",
        0.5,
        "prepared.test",
        "d1",
    )
    assert tracker.metric_history(run.id, "test/a/accuracy") == [(0, 0.5)]
