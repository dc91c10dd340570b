"""A view is kept as MLflow keeps one that a user shares."""

import json
from pathlib import Path

from pipeline.tracking.tracker import Tracker
from pipeline.tracking.views import share


def test_a_view_has_filter_order_and_columns_and_takes_the_place_of_its_namesake(project: Path) -> None:
    tracker = Tracker(project, "trying")
    for column in ("metrics.`a`", "metrics.`b`"):
        page = share(tracker.client, tracker.experiment_id, "mine", "tags.x = 'y'", [column], "metrics.`b`")
    own = {key: it for key, it in tracker.experiment().tags.items() if key.startswith("mlflow.sharedViewState.")}
    state = json.loads(own.pop("mlflow.sharedViewState.mine"))
    assert not own
    assert (state["searchFilter"], state["orderByKey"], state["orderByAsc"]) == ("tags.x = 'y'", "metrics.`b`", False)
    assert state["selectedColumns"] == ["metrics.`b`"]
    assert page == f"#/experiments/{tracker.experiment_id}/runs?workflowType=machine_learning&viewStateShareKey=mine"
