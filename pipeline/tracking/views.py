"""Views: tables of runs in which the columns that matter are shown, which MLflow's table hides by default.

They are kept as MLflow keeps a view that a user shares: a tag of the experiment, named in the view's address.
"""

import json
from collections.abc import Sequence

from mlflow import MlflowClient

from pipeline.tracking.links import runs_page

_TAG = "mlflow.sharedViewState."


def share(
    client: MlflowClient, experiment_id: str, key: str, where: str, columns: Sequence[str], order_by: str = ""
) -> str:
    """Keep a view of an experiment's runs, in place of one of that key; return its page.

    Args:
        client: Of the store.
        experiment_id: MLflow's.
        key: Of the view.
        where: The filter, as of `runs_page`.
        columns: Such as "metrics.`loss`" or "tags.`step`".
        order_by: As of `runs_page`.
    """
    state = {
        "searchFilter": where,
        "orderByKey": order_by or "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
    }
    client.set_experiment_tag(experiment_id, f"{_TAG}{key}", json.dumps(state))
    return f"{runs_page(experiment_id)}&viewStateShareKey={key}"
