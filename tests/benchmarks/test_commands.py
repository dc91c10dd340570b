"""Each command's own parts on tiny settings, in this process."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import (
    balancers,
    lenet,
    one_model,
    overhead,
    same_rows,
    sharing,
    study,
    switches,
    time_to_quality,
)
from benchmarks.common.measuring import Spent
from benchmarks.growth import jobs
from benchmarks.growth.fits import above_fixed, fitted
from benchmarks.growth.point import Point, make_data, train
from benchmarks.networks import REPOSITORY
from pipeline.config import load, with_values
from pipeline.config.balancing import Balancing
from pipeline.config.sharing import Sharing
from pipeline.data.sources import Examples, Part
from pipeline.data.splitting import split
from pipeline.model import TaskShape, build


def test_one_model_times_all_ways(tmp_path: Path) -> None:
    words = ["--quick", "--results", str(tmp_path), "--only", "of 1"]
    told = CliRunner().invoke(one_model.main, words, catch_exceptions=False)
    table = pd.read_parquet(tmp_path / "one_model.parquet")
    assert {"stack of 1", "floor of 1"} <= set(table["name"])
    assert table["network"].nunique() == 2
    assert "stack of 16" in told.output


def test_the_lenets_step_is_held_against_its_floor(tmp_path: Path) -> None:
    told = CliRunner().invoke(lenet.main, ["--quick", "--results", str(tmp_path)], catch_exceptions=False)
    table = pd.read_parquet(tmp_path / "lenet.parquet").set_index("name")
    assert {"stack of 1", "floor of 1", "stack of 8", "floor of 8", lenet.MODULE} == set(table.index)
    assert (table["cpu_seconds"] > 0).all()
    assert "of floor of 8" in told.output


def test_the_floor_counts_the_network_that_is_trained() -> None:
    ours = with_values(load("mnist_fashion", {}, REPOSITORY), {"model.trunk.kind": "lenet"})
    shape = TaskShape("mnist", 784, 10, shape=(28, 28))
    count = build(Sharing.of("shared"), [ours.model.trunk], [ours.model.head], {"a": shape, "b": shape}).count()
    assert count == sum(it.numel() for it in lenet.LeNet(0.5).parameters())


def test_a_scripts_times_are_scaled_by_trials_and_epochs() -> None:
    told = [{"seconds": 22.0, "epoch_seconds": 5.0}, {"seconds": 22.0, "epoch_seconds": 5.0}]
    spent = study._scaled(told, Spent(25.0, 44.0), study.Size(trials=32, epochs=10), processes=2)
    # Starting up takes 3 s, a trial 1 s beside its epochs; each process trains 16 trials.
    assert spent.seconds == pytest.approx(3.0 + 16 * (1.0 + 10 * 5.0))


def test_the_target_is_the_best_last_epoch_and_when_it_was_reached(tmp_path: Path) -> None:
    values = [(0, 1, 0.9), (0, 2, 0.8), (1, 1, 0.99), (1, 2, 0.85), (2, 1, 0.7), (2, 2, 0.85)]
    lines = [json.dumps({"trial": t, "epoch": e, "validation": v, "seconds": 1.0}) for t, e, v in values]
    record = tmp_path / "log.jsonl"
    record.write_text("\n".join(lines))
    assert time_to_quality.target_of(record) == time_to_quality.Target(0.85, epochs=4, trials=3, total=6)


def test_a_split_is_that_of_seed_0_whatever_the_seed() -> None:
    labels = {"label": np.arange(60) % 3}
    examples = Examples(Part(np.zeros((60, 2), np.uint8), labels), None, {"label": ["a", "b", "c"]})
    parts = [split("it", examples, ["label"], 0.1, 0.2, 0), same_rows._split("it", examples, ["label"], 0.1, 0.2, 7)]
    for name, chosen in parts[0].items():
        assert (chosen.rows == parts[1][name].rows).all()


def test_a_point_is_trained_and_timed(tmp_path: Path) -> None:
    point = Point(slots=2, tasks=3, examples=130, width=8, features=16)
    make_data(point, tmp_path)
    told = train(point, tmp_path)
    assert told["cpu_seconds"] > 0.0
    assert told["before"] > 0


def test_exponents_are_fitted_to_the_upper_half() -> None:
    at = [1, 10, 100, 1000]
    table = pd.DataFrame({"at": at, "cpu_seconds": [5.0, 5.0, 5.0, 50.0], "memory_mib": [3.0] * 4})
    fit = fitted(table)
    assert fit["time"] == pytest.approx(1.0)
    assert fit["memory"] == pytest.approx(0.0, abs=1e-9)
    assert math.isnan(fitted(table[:1])["time"])


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.3])
def test_growth_is_fitted_above_what_is_fixed(exponent: float) -> None:
    sizes = [10.0, 100.0, 1_000.0, 10_000.0]
    fixed, found = above_fixed(pd.Series({it: 8.0 + 0.01 * it**exponent for it in sizes}))
    assert fixed == pytest.approx(8.0, rel=0.01)
    assert found == pytest.approx(exponent, abs=0.011)


@pytest.mark.slow
def test_bookkeeping_is_what_trials_cost_beside_training() -> None:
    (row,) = jobs.bookkeeping((4, 24))
    assert row["trials"] == 24
    assert 0 < row["bookkeeping"] == pytest.approx(row["tune"] - row["train"])


@pytest.mark.slow
def test_a_whole_job_is_measured_at_every_axis() -> None:
    for axis in jobs.AXES.values():
        spent = jobs.measure(axis, axis.quick[0])
        assert spent["user_s"] > 0
        assert spent["imports"] > 1
        assert spent["memory_mib"] > 50
        assert 0.1 < spent["report_mb"] < 5


def test_what_is_not_training_is_waiting_and_work_behind() -> None:
    row = pd.Series({"seconds": 110.0, "start_up": 10.0, "training": 97.0, "behind": 4.0})
    assert overhead.books_percent(row, cores=2) == pytest.approx(5.0)


def test_a_study_runs_with_parts_switched_off(project: Path) -> None:
    words = [
        "--without",
        "tracking",
        "--without",
        "checkpoints",
        "--note",
        "note.json",
        "--",
        "tune",
        "debug",
        "--quiet",
    ]
    CliRunner().invoke(switches.main, words, catch_exceptions=False)
    note = json.loads((project / "note.json").read_text())
    assert note.keys() == {"start_up", "training", "behind", "seconds"}
    assert 0.0 < note["training"] < note["seconds"]
    assert not list((project / ".headway").rglob("batch-*"))


def test_a_method_is_timed_against_equal_weights_and_torchjd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: Balancing.choices[name] for name in ("fixed", "famo", "upgrad")}
    monkeypatch.setattr(balancers.Balancing, "choices", few)
    monkeypatch.setattr(balancers, "RIVALS", {"upgrad": balancers.RIVALS["upgrad"]})
    monkeypatch.setattr(balancers, "TASKS", (2, 3))
    told = CliRunner().invoke(balancers.main, ["--quick", "--results", str(tmp_path)], catch_exceptions=False)
    table = pd.read_parquet(tmp_path / "balancers.parquet")
    assert {"famo, 2 tasks, stack of 8", "upgrad, 3 tasks", "TorchJD's upgrad, 3 tasks"} <= set(table["name"])
    assert (table["cpu_seconds"] > 0).all()
    assert "weighting alone, us" in told.output


def test_methods_by_name_are_timed_alone() -> None:
    told = CliRunner().invoke(balancers.main, ["--quick", "--methods", "dwa,krum"], catch_exceptions=False).output
    assert [line.split()[0] for line in told.splitlines()[-2:]] == ["dwa", "krum"]
    unknown = CliRunner().invoke(balancers.main, ["--methods", "dwaa"])
    assert unknown.exit_code == 2
    assert unknown.output.endswith("Invalid value for --methods: unknown: dwaa\n")


def test_every_way_to_share_is_timed_against_one_trunk(tmp_path: Path) -> None:
    told = CliRunner().invoke(sharing.main, ["--quick", "--results", str(tmp_path)], catch_exceptions=False)
    table = pd.read_parquet(tmp_path / "sharing.parquet")
    wanted = {f"784-128, {kind}, stack of {models}" for kind in Sharing.choices for models in (1, 4)}
    assert set(table["name"]) == wanted | {f"LeNet, {kind}, stack of 1" for kind in Sharing.choices}
    assert (table["cpu_seconds"] > 0).all()
    (shared,) = (line.split() for line in told.output.splitlines() if line.startswith("784-128, shared "))
    assert float(shared[2]) == 784 * 128 + 128 + 2 * (128 * 10 + 10)
    assert [float(shared[place]) for place in (4, 6)] == [1.0, 1.0]
