"""Addresses of MLflow's pages, as relative links for descriptions and as whole ones to print.

MLflow opens the pages of machine learning only by their address: without `workflowType` it shows those of language
models, and no tag or earlier choice changes that.
"""

import re
import shlex
from pathlib import Path
from urllib.parse import quote

from pipeline.tracking.store import tracking_uri
from pipeline.urls import redacted, sqlite_url

_MACHINE_LEARNING = "workflowType=machine_learning"
_SERVED = "http://127.0.0.1:5000"
"""Where the command that `served_by` names serves a store by default."""
_SERVERS = ("http://", "https://", "databricks")
_UI = re.compile(r"^ui:", re.MULTILINE)


def runs_page(experiment_id: str, where: str = "", order_by: str = "") -> str:
    """The table of an experiment's runs.

    Args:
        experiment_id: MLflow's.
        where: A filter as MLflow's search box takes it; empty for all runs.
        order_by: Such as "metrics.`loss`", highest first; empty for the newest first.

    >>> runs_page("1", "tags.a = 'b'")
    '#/experiments/1/runs?workflowType=machine_learning&searchFilter=tags.a%20%3D%20%27b%27'
    """
    words = [_MACHINE_LEARNING]
    words += [f"searchFilter={quote(where, safe='')}"] if where else []
    words += [f"orderByKey={quote(order_by, safe='')}", "orderByAsc=false"] if order_by else []
    return f"#/experiments/{experiment_id}/runs?{'&'.join(words)}"


def run_page(experiment_id: str, run_id: str) -> str:
    """The page of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{_MACHINE_LEARNING}"


def artifact_page(experiment_id: str, run_id: str, name: str) -> str:
    """The page that shows an artifact of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{quote(name)}?{_MACHINE_LEARNING}"


def model_page(experiment_id: str, model_id: str) -> str:
    """The page of a logged model: its metrics, with the data sets that they are of."""
    return f"#/experiments/{experiment_id}/models/{model_id}?{_MACHINE_LEARNING}"


def version_page(name: str, version: str) -> str:
    """The page of a version of a registered model."""
    return f"#/models/{quote(name, safe='')}/versions/{version}?{_MACHINE_LEARNING}"


def whole(project: Path, page: str) -> str:
    """The address of a page, as it may be shown: on the tracking server, or where `served_by` serves the store.

    >>> whole(Path("/mine"), run_page("1", "ab"))
    'http://127.0.0.1:5000/#/experiments/1/runs/ab?workflowType=machine_learning'
    """
    uri = tracking_uri(project)
    served = redacted(uri) if uri.startswith(("http://", "https://")) else _SERVED
    return f"{served.rstrip('/')}/{page}"


def served_by(project: Path) -> str:
    """The command by which the project's runs are seen in MLflow's UI; empty where a server has them.

    It is `make ui` in a clone of Headway, whose Makefile has that, and MLflow's own command elsewhere.
    """
    uri, own = tracking_uri(project), sqlite_url(project / "mlflow.db")
    if uri.startswith(_SERVERS):
        return ""
    makefile = project / "Makefile"
    if uri == own and makefile.is_file() and _UI.search(makefile.read_text(encoding="utf-8", errors="replace")):
        return "make ui"
    here = uri == own and project.resolve() == Path.cwd().resolve()
    return f"mlflow ui --backend-store-uri {shlex.quote('sqlite:///mlflow.db' if here else redacted(uri))}"
