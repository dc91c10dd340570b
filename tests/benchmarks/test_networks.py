import pytest
import torch

from benchmarks.common import machine
from benchmarks.common.data import Data
from benchmarks.floor import floor_name, floor_of
from benchmarks.networks import Case, deep
from pipeline.training.stack.network import build_network


def test_the_flagships_arithmetic_is_that_of_its_network(case: Case) -> None:
    assert case.flops == pytest.approx(52.4e6, rel=0.01)
    assert case.parameters == build_network(case.prepared, [case.experiment]).count()
    assert case.steps == 5


def test_the_deep_networks_arithmetic_is_that_of_its_network(tiny: Data) -> None:
    with deep(tiny) as case:
        assert case.parameters == build_network(case.prepared, [case.experiment]).count()
        assert [task.kind for task in case.prepared.tasks.values()] == ["multiclass", "binary", "multiclass"]
        odd = case.prepared.split("train").labels
        assert (odd["parity"] == odd["mnist"] % 2).all()


def test_a_floor_is_products_and_updates(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_SIDES", (32,))
    spent = floor_of(case, 2).run()
    assert spent.seconds == pytest.approx(spent.more["products"] + spent.more["updates"])
    assert floor_name(2, torch.bfloat16) == "floor of 2, bfloat16"


def test_the_machine_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_SIDES", (32,))
    assert "GFLOP/s bfloat16" in machine.in_words(machine.describe())
