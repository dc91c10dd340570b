"""Hosts on a virtual clock: several batches in flight keep them busy, and the table is the same for any number."""

from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.common.sleeping_hosts import SleepingHosts
from benchmarks.common.virtual_hosts import VirtualHosts
from benchmarks.in_flight import PROJECT, VALUES, Found, prepared_in, simulated, summary
from pipeline.config import load
from pipeline.data.prepared import Prepared

STUDY = {"training.epochs": 6, "tuning.trials": 48, "tuning.batch": 8, "tuning.sampler": "random"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared_in(tmp_path_factory.mktemp("prepared"))


def found(prepared: Prepared, folder: Path, hosts: int, in_flight: int, **values: Any) -> Found:
    more = {f"tuning.{name}": value for name, value in values.items()}
    experiment = load("digits", VALUES | STUDY | more | {"tuning.batches_in_flight": in_flight}, PROJECT)
    return simulated(experiment, prepared, hosts, folder)


def test_hosts_idle_less_with_more_batches_in_flight(prepared: Prepared, tmp_path: Path) -> None:
    one = found(prepared, tmp_path / "one", 6, 1, pruner="none")
    four = found(prepared, tmp_path / "four", 6, 4, pruner="none")
    assert one.sha == four.sha  # nothing is learnt, and nothing pruned
    assert one.epochs == four.epochs == 48 * 6
    assert four.busy > max(one.busy, 0.8)
    assert four.seconds < one.seconds


def test_several_draws_are_means_and_paired_ratios(prepared: Prepared, tmp_path: Path) -> None:
    rows = []
    for draw, in_flight in product(range(2), (1, 2)):
        experiment = load("digits", VALUES | STUDY | {"tuning.batches_in_flight": in_flight}, PROJECT)
        rows.append(asdict(simulated(experiment, prepared, 6, tmp_path / f"{draw}-{in_flight}", draw)))
    means = summary(pd.DataFrame(rows)).set_index("in_flight")
    first, second = (rows[place + 1]["seconds"] / rows[place]["seconds"] for place in (0, 2))
    assert first != second
    assert list(means["times_seconds"]) == pytest.approx([1.0, (first + second) / 2])


def test_under_halving_the_table_depends_on_no_number_of_hosts(prepared: Prepared, tmp_path: Path) -> None:
    few, many = (found(prepared, tmp_path / str(hosts), hosts, 2, pruner="halving") for hosts in (2, 9))
    assert few.sha == many.sha
    assert few.epochs == many.epochs < 48 * 6


@pytest.mark.slow
def test_actors_that_sleep_have_the_table_of_virtual_hosts(prepared: Prepared, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    values = {"training.epochs": 2, "tuning.trials": 8, "tuning.batch": 4, "tuning.batches_in_flight": 2}
    experiment = load("digits", VALUES | STUDY | values, PROJECT)
    virtual, real = (
        simulated(experiment, prepared, 3, tmp_path / kind.__name__, kind=kind)
        for kind in (VirtualHosts, SleepingHosts)
    )
    assert (real.sha, real.epochs) == (virtual.sha, virtual.epochs)
    assert 0.3 < real.busy < 1.0
