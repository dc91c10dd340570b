from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from click.testing import CliRunner

from benchmarks import one_model, overhead, study, table, time_to_quality
from benchmarks.common import results
from benchmarks.growth.fits import fitted

MACHINE = {
    "processor": "one", "units": ["avx2"], "cores": 2, "memory_gib": 4, "python": "3", "torch": "2",
    "load_before": 0.0, "peak_gflops": {"float32": 90.0},
}  # fmt: skip
ABOUT = {"machine": MACHINE, "data": "made up", "trials": 4, "epochs": 2, "long": 8, "target": 0.9}


def turns(costs: dict[str, float], **more: object) -> pd.DataFrame:
    rows = [
        {"name": name, "repeat": repeat, "seconds": cost, "cpu_seconds": cost, **more}
        for repeat in range(3)
        for name, cost in costs.items()
    ]
    return pd.DataFrame(rows)


def printed(folder: Path, name: str, frame: pd.DataFrame, about: dict[str, object] | None = None) -> list[str]:
    results.save(name, frame, ABOUT | (about or {}), go.Figure(), folder)
    return CliRunner().invoke(table.main, ["--results", str(folder)], catch_exceptions=False).output.splitlines()


def test_a_step_is_held_against_script_hand_and_floor(tmp_path: Path) -> None:
    costs = {one_model.SCRIPT: 8e-3, one_model.HAND: 1e-3, "stack of 1": 1.2e-3, "stack of 8": 9e-4, "floor of 8": 6e-4}
    lines = printed(tmp_path, "one_model", turns(costs, network="one"))
    assert "| stack of 8 | 900 | 900 | 8.89 | 1.50 |" in lines
    assert "One model takes 1.20 times the step written by hand." in lines


def test_a_study_is_held_against_ours(tmp_path: Path) -> None:
    costs = {study.ours_name("float32"): 10.0, study.SCRIPT: 250.0}
    lines = printed(tmp_path, "study", turns(costs))
    assert f"| {study.SCRIPT} | 250 | 250 | 58 | 25.0 |" in lines


def test_time_to_quality_is_the_median_over_seeds(tmp_path: Path) -> None:
    names = (study.SCRIPT, time_to_quality.THROUGHPUT, time_to_quality.SCHEDULE)
    rows = [
        {
            "name": name,
            "seed": 0,
            "seconds": 9.0,
            "start_up": 2.0,
            "whole": 20.0,
            "than_seconds": 70.0,
            "than_whole": 80.0,
        }
        for name in names
    ]
    lines = printed(tmp_path, "time_to_quality", pd.DataFrame(rows))
    assert f"| {time_to_quality.SCHEDULE} | 9.0 | 2.0 | 20.0 | 1 | 70 | 80 |" in lines


def test_growth_is_its_exponents(tmp_path: Path) -> None:
    frame = pd.DataFrame({"range": "slots", "at": [1, 16, 256], "cpu_seconds": [1.0, 2.0, 4.0], "memory_mib": 3.0})
    lines = printed(tmp_path, "growth", frame, {"exponents": {"slots": fitted(frame)}})
    assert "| slots 1 to 256 | 0.25 | 0.00 | 3 | 3 |" in lines


def test_overhead_is_a_share(tmp_path: Path) -> None:
    costs = {overhead.EVERYTHING: 10.0, overhead.QUIET: 9.5, overhead.EVALUATED: 2.0, overhead.NOT_EVALUATED: 1.95}
    long = pd.DataFrame(
        [{"name": overhead.LONG, "repeat": 0, "seconds": 110.0, "start_up": 10.0, "training": 98.0, "behind": 2.0}]
    )
    lines = printed(tmp_path, "overhead", pd.concat((turns(costs), long)))
    assert f"| {overhead.QUIET} | 9.5 | 9.5 | 0.95 |" in lines
    assert "A study of 8 trials is 3.0 % tracking and bookkeeping, counted high." in lines
    assert "Evaluation is 2.5 % of an epoch." in lines
