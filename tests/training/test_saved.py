from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from pipeline.training import saved
from pipeline.training.assess import assess
from pipeline.training.thresholds import best_threshold
from tests.training.made import MIXED, experiment_on, random_data, seeds, trained


def test_saved_networks_answer_as_their_slots_did_in_their_best_look(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    experiment = experiment_on(
        prepared, {"model.trunk.norm": "batch", "training.early_stopping": {"patience": 2}, "training.epochs": 6}
    )
    states = list(trained(prepared, seeds(experiment, 3)).values())
    path = saved.save(tmp_path, prepared, experiment, states)
    network, names = saved.load_network(path, prepared, experiment)
    assert names == [state.name for state in states]
    for found, state in zip(assess(network, prepared, prepared.split("validation")), states, strict=True):
        for key, value in found.items():
            assert state.best[f"validation/{key}"] == value


def test_saved_file_says_what_rebuilds_the_networks(tmp_path: Path) -> None:
    prepared = random_data(tmp_path)
    experiment = experiment_on(prepared, {"training.epochs": 1})
    states = list(trained(prepared, seeds(experiment, 2)).values())
    told = saved.about(saved.save(tmp_path, prepared, experiment, states))
    assert told["slots"] == ["seed/0", "seed/1"]
    assert told["tasks"]["other"] == {"kind": "multiclass", "source": "right", "classes": ["0", "1", "2", "3", "4"]}
    assert told["sources"]["left"] == {"shape": [37], "scale": 255.0}
    assert [layer["kind"] for layer in told["network"]["branches"][0]["trunk"]] == ["linear", "activation", "dropout"]


def test_thresholds_of_labels_are_those_of_the_highest_f1_on_validation(tmp_path: Path) -> None:
    prepared = random_data(tmp_path, MIXED, rows=200, missing={"marks": 0.1})
    experiment = experiment_on(prepared, {"training.epochs": 2})
    states = list(trained(prepared, seeds(experiment, 2)).values())
    path = saved.save(tmp_path, prepared, experiment, states)
    told = saved.about(path)
    assert (told["tasks"]["size"]["mean"], told["tasks"]["size"]["std"]) == (0.0, 1.0)
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
    tensors = load_file(saved.save(tmp_path, prepared, experiment, states))
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
        written.append(saved.save(tmp_path / name, prepared, experiment, states).read_bytes())
    assert written[0] == written[1]
