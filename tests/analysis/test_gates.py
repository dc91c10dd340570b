"""What tasks take from experts: of networks that were really trained, and of gates that are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.evaluation import evaluate
from pipeline.analysis.gates import gates
from pipeline.analysis.tables import GATES, gates_table
from pipeline.config import with_values
from pipeline.data.batches import in_order
from pipeline.data.prepared import open_split
from pipeline.data.test_split import TestSplit
from pipeline.reports.figures.gates import gate_maps, likeness
from pipeline.training.saved import FILE, load_network
from tests.analysis.made import by_plotly, candidate, experiment, prepared


def test_gates_are_the_mean_over_the_rows_of_the_readers_source(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    made = candidate(tmp_path, data, with_values(experiment(), {"model.sharing": {"kind": "mmoe", "experts": 3}}))
    found = gates(made)
    assert len(found) == 2
    assert list(found[0]) == [(1, task, str(expert)) for task in data.tasks for expert in range(3)]
    network, _ = load_network(made.folder / FILE, data, made.experiment)
    (batch,) = [it for it in in_order(data, data.split("validation")) if "b" in it.inputs]
    network.forward(batch.inputs)
    (own,) = [gate for name, gate in network.branches[0].trunk[0].shares() if name == "far"]  # type: ignore[attr-defined]
    for seed in range(2):
        assert [found[seed][1, "far", str(it)] for it in range(3)] == pytest.approx(own[seed].mean(0).tolist())
        assert sum(found[seed][1, "odd", str(it)] for it in range(3)) == pytest.approx(1.0)


def test_levels_are_numbered_and_what_goes_to_all_is_a_reader_too(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    made = candidate(tmp_path, data, with_values(experiment(), {"model.sharing": "ple", "model.trunk.widths": [5, 4]}))
    found = gates(made)[0]
    assert {(level, reader) for level, reader, _ in found} == {
        *((level, task) for level in (1, 2) for task in data.tasks),
        (1, "all"),
    }
    assert (2, "side", "far.0") not in found


def test_untrained_units_begin_with_a_tasks_own_share(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    values = {"model.sharing": {"kind": "cross_stitch", "own_share": 0.8}, "training.learning_rate": 1e-12}
    found = gates(candidate(tmp_path, data, with_values(experiment(), values)))[0]
    assert found[1, "odd", "odd"] == pytest.approx(0.8)
    assert found[1, "odd", "far"] == pytest.approx(0.1)


def test_attention_is_told_for_every_unit_of_every_layer_and_on_average(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    made = candidate(tmp_path, data, with_values(experiment(), {"model.sharing": "mtan", "model.trunk.widths": [5, 4]}))
    found = gates(made)
    assert len(found) == 2
    places = [(level, f"unit {unit}") for level, width in ((1, 5), (2, 4)) for unit in range(width)]
    assert set(found[0]) == {
        (level, task, name) for level, name in [(1, "all"), (2, "all"), *places] for task in data.tasks
    }
    network, _ = load_network(made.folder / FILE, data, made.experiment)
    (batch,) = [it for it in in_order(data, data.split("validation")) if "b" in it.inputs]
    network.forward(batch.inputs)
    last = network.branches[0].trunk[1]
    of_task = {it.name: mask for it, mask in zip(last.attentions, last._masks, strict=True)}  # type: ignore[attr-defined]
    for seed in range(2):
        mask = of_task["far"].slots[seed]
        assert [found[seed][2, "far", f"unit {it}"] for it in range(4)] == pytest.approx(mask.mean(0).tolist())
        assert found[seed][2, "far", "all"] == pytest.approx(mask.mean().item())


def test_attention_is_drawn_by_unit_and_told_on_average() -> None:
    taken = {"a": (0.9, 0.1), "b": (0.1, 0.9)}
    seed = {(1, task, f"channel {place}"): it for task, own in taken.items() for place, it in enumerate(own)}
    table = gates_table({"default": [{(1, task, "all"): 0.5 for task in taken} | seed]})
    attention, alike = gate_maps(table, "default")
    assert (attention.caption, alike.caption) == ("attention", "how far tasks read alike")
    assert attention.sentence == "On average: a 0.50, b 0.50. Most: a 0.90 of channel 0, b 0.90 of channel 1."
    assert attention.figure is not None
    assert list(by_plotly(attention.figure).data[0].x) == ["channel 0", "channel 1"]
    assert likeness(table).loc["a", "b"] == pytest.approx(0.18 / 0.82)


def test_networks_that_mix_nothing_have_none(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    assert gates(candidate(tmp_path, data, experiment())) == []
    assert gates_table({"default": []}).columns.tolist() == GATES


def test_an_evaluation_holds_the_gates_of_the_networks_that_mix(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    mixing = with_values(experiment(), {"model.sharing": "cgc"})
    candidates = [candidate(tmp_path, data, mixing), candidate(tmp_path, data, experiment(), "separate")]
    found = evaluate(candidates, TestSplit(open_split(data, "test"))).gates
    assert set(found["candidate"]) == {"default"}
    assert len(found) == 2 * 3 * 3  # seeds, tasks, and two experts of all and one of its own


def test_tasks_that_read_the_same_experts_are_alike() -> None:
    taken = {"a": (0.5, 0.5, 0.0), "b": (0.5, 0.5, 0.0), "c": (0.0, 0.0, 1.0)}
    seed = {(1, task, str(place)): gate for task, own in taken.items() for place, gate in enumerate(own)}
    table = gates_table({"default": [seed, seed]})
    alike = likeness(table)
    assert alike.loc["a", "b"] == pytest.approx(1.0)
    assert alike.loc["a", "c"] == pytest.approx(0.0)
    gates_shown, alike_shown = gate_maps(table, "default")
    assert gates_shown.sentence == "Most: a 0.50 of 0, b 0.50 of 0, c 1.00 of 2."
    assert gates_shown.figure is not None
    assert np.shape(by_plotly(gates_shown.figure).data[0].z) == (3, 3)
    assert alike_shown.caption == "how far tasks read alike"


def test_a_level_of_one_task_has_nothing_to_be_alike_with() -> None:
    table = pd.DataFrame([("default", 0, 1, "a", "0", 1.0)], columns=GATES)
    assert [panel.caption for panel in gate_maps(table, "default")] == ["gates"]
