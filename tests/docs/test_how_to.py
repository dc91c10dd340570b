"""Commands of the how-to pages that no other test runs."""

import socket
from pathlib import Path

import pytest

from pipeline.analysis.statistics import differences
from tests.docs.pages import DOCS, blocks_of, run_script

FEW = "--set tuning=null --set training.seeds=2 --set training.epochs=2 --set baselines.single=false"


@pytest.mark.slow
def test_an_mlflow_server_has_the_runs_of_the_page(project: Path) -> None:
    serve, use = blocks_of(DOCS / "how_to" / "mlflow_server.md", "sh")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    wait = f"curl --silent --retry 300 --retry-delay 1 --retry-connrefused localhost:{port}/health"
    use = use.replace("headway run digits", f"headway run digits {FEW}")
    script = f"cd server\n{serve.strip()} &\ncd ..\n{wait}\n{use}\nkill %1".replace("5000", port)
    (project / "server").mkdir()
    before = (project / "mlflow.db").read_bytes()
    said = run_script(script, project)
    assert f"http://127.0.0.1:{port}/#/experiments" in said
    assert (project / "mlflow.db").read_bytes() == before
    assert any((project / "server" / "artifacts").rglob("report.html"))


def test_the_page_on_delta_m_has_the_smallest_baseline_and_a_right_example() -> None:
    page = " ".join((DOCS / "delta_m.md").read_text(encoding="utf-8").split())
    assert f"counts as at least {differences.SMALLEST}." in page
    changes = [100 * (97.02 - 98.0) / 98.0, 100 * (0.52 - 0.50) / 0.50]
    assert changes == pytest.approx([-1, 4])
    assert "Delta-m is +1.5 %." in page
