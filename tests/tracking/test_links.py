"""Every address opens the pages of machine learning, on the server where the runs are."""

from pathlib import Path

import pytest

from pipeline.tracking import links
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    "page",
    [
        links.runs_page("1"),
        links.run_page("1", "ab"),
        links.artifact_page("1", "ab", "report.html"),
        links.model_page("1", "m-1"),
        links.version_page("a b", "1"),
    ],
)
def test_a_link_is_relative_and_opens_the_machine_learning_view(page: str) -> None:
    assert page.startswith("#/")
    assert page.split("?")[1].startswith("workflowType=machine_learning")
    assert " " not in page


@pytest.mark.parametrize(
    ("uri", "begins"),
    [
        ("", "http://127.0.0.1:5000/#/"),
        ("http://me:secret@host:8080/mlflow/", "http://host:8080/mlflow/#/"),
        ("postgresql://me:secret@host/runs", "http://127.0.0.1:5000/#/"),
    ],
)
def test_a_whole_address_is_where_the_runs_are_served(
    uri: str, begins: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert links.whole(tmp_path, links.run_page("1", "ab")).startswith(begins)


def test_an_order_is_the_highest_first() -> None:
    assert links.runs_page("1", order_by="metrics.`a`").endswith("&orderByKey=metrics.%60a%60&orderByAsc=false")


def test_in_a_clone_make_serves_the_runs_and_elsewhere_mlflow(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert links.served_by(project) == "mlflow ui --backend-store-uri sqlite:///mlflow.db"
    monkeypatch.chdir(project / "experiments")
    assert links.served_by(project) == f"mlflow ui --backend-store-uri sqlite:///{project}/mlflow.db"
    (project / "Makefile").write_text("run:\n\techo ui: none\n")
    assert links.served_by(project).startswith("mlflow ui")
    (project / "Makefile").write_bytes((REPOSITORY / "Makefile").read_bytes())
    assert links.served_by(project) == "make ui"


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("http://host:8080", ""),
        ("databricks", ""),
        ("postgresql://me:secret@host/runs", "mlflow ui --backend-store-uri postgresql://host/runs"),
    ],
)
def test_another_store_is_served_by_its_server_or_by_name(
    project: Path, monkeypatch: pytest.MonkeyPatch, uri: str, told: str
) -> None:
    (project / "Makefile").write_bytes((REPOSITORY / "Makefile").read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert links.served_by(project) == told
