from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from pipeline.config import with_values
from pipeline.data.prepared import Prepared
from pipeline.serving.specification import TaskSpec
from pipeline.training import saved
from pipeline.training.assess import assess
from pipeline.training.slot import Slot, SlotState, slots_of
from pipeline.training.thresholds import best_threshold, thresholds
from tests.training.folds import in_folds
from tests.training.made import MIXED, experiment_on, random_data, seeds, trained


def test_saved_networks_answer_as_their_slots_did_in_their_best_look(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    experiment = experiment_on(
        prepared, {"model.trunk.norm": "batch", "training.early_stopping": {"patience": 2}, "training.epochs": 6}
    )
    states = list(trained(prepared, seeds(experiment, 3)).values())
    (path,) = saved.save(tmp_path, prepared, seeds(experiment, len(states)), states)
    network, names = saved.load_network(path, prepared, experiment)
    assert names == [state.name for state in states]
    for found, state in zip(assess(network, prepared, prepared.split("validation")), states, strict=True):
        for key, value in found.items():
            assert state.best[f"validation/{key}"] == value


def test_saved_file_says_what_rebuilds_the_networks(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    experiment = experiment_on(prepared, {"training.epochs": 1})
    states = list(trained(prepared, seeds(experiment, 2)).values())
    saved.save(tmp_path, prepared, seeds(experiment, 2), states)
    told = saved.about(tmp_path / saved.FILE)
    assert told["slots"] == ["seed/0", "seed/1"]
    assert told["tasks"]["other"] == {"kind": "multiclass", "source": "right", "classes": ["0", "1", "2", "3", "4"]}
    assert told["sources"]["left"] == {"shape": [37], "scale": 255.0}
    assert [layer["kind"] for layer in told["network"]["branches"][0]["trunk"]] == ["linear", "activation", "dropout"]


def test_thresholds_of_labels_are_those_of_the_highest_f1_on_validation(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, MIXED, rows=200, missing={"marks": 0.1})
    experiment = experiment_on(prepared, {"training.epochs": 2})
    states = list(trained(prepared, seeds(experiment, 2)).values())
    (path,) = saved.save(tmp_path, prepared, seeds(experiment, len(states)), states)
    told = saved.about(path)
    size = TaskSpec.of(told["tasks"]["size"])
    assert (size.mean, size.std) == (0.0, 1.0)
    network, _ = saved.load_network(path, prepared, experiment)
    split = prepared.split("validation")
    rows = {name: torch.from_numpy(it.copy()).float().unsqueeze(0) for name, it in split.inputs.items()}
    chances = torch.sigmoid(network.forward(rows)["marks"].double()).numpy()
    labels = split.labels["marks"]
    there = ~np.isnan(labels[:, 0])
    for slot, own in enumerate(told["thresholds"]["marks"]):
        for label, threshold in enumerate(own):
            true, chance = labels[there, label], chances[slot, there, label]
            best = max(f1_score(true, chance >= it) for it in chance)
            assert f1_score(true, chance > threshold) == pytest.approx(best)


@pytest.mark.parametrize(
    ("true", "chances", "wanted"),
    [
        ([1, 1, 0, 0], [0.9, 0.7, 0.3, 0.1], 0.5),  # in the middle of the gap
        ([0, 0, 0], [0.9, 0.7, 0.3], 0.5),  # no row has it
        ([1, 1], [0.4, 0.2], 0.1),  # every row has it
        ([0, 1, 0, 0], [0.3, 0.3, 0.3, 0.1], 0.2),  # equal ones are not parted
    ],
)
def test_a_threshold_parts_what_can_be_parted(true: list[int], chances: list[float], wanted: float) -> None:
    assert best_threshold(np.array(true), np.array(chances)) == pytest.approx(wanted)


def test_saved_weights_need_nothing_but_safetensors(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    experiment = experiment_on(prepared, {"training.epochs": 1, "model.trunk.dropout": 0.0})
    states = list(trained(prepared, seeds(experiment, 2)).values())
    saved.save(tmp_path, prepared, seeds(experiment, 2), states)
    tensors = load_file(tmp_path / saved.FILE)
    network, _ = saved.load_network(tmp_path / saved.FILE, prepared, experiment)
    x = torch.rand(4, 37)
    hidden = torch.relu(x @ tensors["trunk.0.weight"][1].T + tensors["trunk.0.bias"][1])
    wanted = hidden @ tensors["head.digit.0.weight"][1].T + tensors["head.digit.0.bias"][1]
    torch.testing.assert_close(network.forward({"left": 255 * x.unsqueeze(0)})["digit"][1], wanted)


def test_the_same_training_writes_the_same_bytes(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    experiment = experiment_on(prepared, {"training.epochs": 2})
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        states = list(trained(prepared, seeds(experiment, 2)).values())
        (path,) = saved.save(tmp_path / name, prepared, seeds(experiment, 2), states)
        written.append(path.read_bytes())
    assert written[0] == written[1]


def differing(prepared: Prepared, *values: dict[str, Any]) -> tuple[list[Slot], list[SlotState]]:
    """Slots that differ in these values, and what each of them has trained alone."""
    base = experiment_on(prepared, {"training.epochs": 1, "training.seeds": len(values)})
    slots = slots_of([with_values(base, own) for own in values], prepared)
    return slots, [trained(prepared, [slot])[slot.name] for slot in slots]


def test_networks_of_other_shapes_lie_in_files_of_their_own(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, MIXED)
    shapes = ({"model.trunk.widths": [9]}, {"model.trunk.widths": [4, 3]}, {"model.trunk.widths": [9]},
              {"model.sharing": "mmoe"})  # fmt: skip
    slots, states = differing(prepared, *shapes)
    paths = saved.save(tmp_path, prepared, slots, states)
    assert [path.name for path in paths] == ["model.safetensors", "model-1.safetensors", "model-2.safetensors"]
    assert list(saved.files(tmp_path).values()) == [["seed/0", "seed/2"], ["seed/1"], ["seed/3"]]
    assert saved.file_of(tmp_path, "seed/3") == paths[2]
    with pytest.raises(ValueError, match="no slot 'seed/4'; it has seed/0, seed/2, seed/1, seed/3"):
        saved.file_of(tmp_path, "seed/4")


def test_networks_of_every_shape_answer_as_their_slots_did(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, MIXED)
    shapes = ({"model.trunk.widths": [9]}, {"model.trunk.widths": [4, 3], "training.batch_size": 11},
              {"model.trunk.dropout": 0.1, "training.learning_rate": 0.02})  # fmt: skip
    slots, states = differing(prepared, *shapes)
    saved.save(tmp_path, prepared, slots, states)
    found = {}
    for it in saved.load_networks(tmp_path, prepared, slots):
        told = assess(it.network, prepared, prepared.split("validation"))
        found |= dict(zip(it.places, told, strict=True))
        assert it.slots == [slots[place] for place in it.places]
        assert [len(own) for own in it.thresholds["marks"]] == [4] * len(it.places)
    for place, state in enumerate(states):
        for key, value in found[place].items():
            assert value == pytest.approx(state.best[f"validation/{key}"], rel=1e-5)


def test_what_changes_no_shape_changes_nothing_in_the_file(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    slots, states = differing(prepared, {}, {"model.trunk.dropout": 0.1, "training.optimizer": "sgd"})
    (path,) = saved.save(tmp_path, prepared, slots, states)
    together = path.read_bytes()
    saved.save(tmp_path, prepared, [replace(slot, experiment=slots[0].experiment) for slot in slots], states)
    assert path.read_bytes() == together


def test_each_slot_has_the_thresholds_of_the_fold_that_it_holds_out(tmp_path: Path) -> None:
    prepared = in_folds(tmp_path, {"marks": ("multilabel", "left", 3)}, rows=60)
    base = experiment_on(
        prepared, {"training.folds": 3, "training.seeds": 3, "data.validation": 0.0, "training.epochs": 1}
    )
    slots = slots_of([with_values(base, {"model.trunk.widths": [width]}) for width in (9, 4, 9)], prepared)
    states = [trained(prepared, [slot])[slot.name] for slot in slots]
    saved.save(tmp_path, prepared, slots, states)
    for it in saved.load_networks(tmp_path, prepared, slots):
        for row, place in enumerate(it.places):
            alone = thresholds(it.network, prepared, [slots[place].fold])
            assert it.thresholds["marks"][row] == alone["marks"][row]
