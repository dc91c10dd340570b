"""What is told of networks does not depend on how many files they lie in."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.cost import costs
from pipeline.analysis.evaluation import evaluate
from pipeline.analysis.front import front
from pipeline.analysis.gap import gaps
from pipeline.analysis.gates import gates
from pipeline.analysis.metrics import TaskScores, joined
from pipeline.analysis.networks import each_slot, networks_of
from pipeline.analysis.scores import score, scorer_of
from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared, PreparedTask, open_split
from pipeline.data.test_split import TestSplit
from pipeline.stacked import Targets
from pipeline.steps.runs.curves import history
from pipeline.training.assess import assess
from pipeline.training.saved import FILE, about, save
from pipeline.training.slot import slots_of
from pipeline.training.stack.network import build_network
from tests.analysis.made import candidate, experiment, prepared
from tests.training.folds import in_folds
from tests.training.made import MIXED, experiment_on, random_data, trained
from tests.training.replicates import in_replicates

SEEDS, ROWS, LENGTH = 4, 300, 5
KINDS = {
    "multiclass": PreparedTask("multiclass", "rows", ("x", "y", "z")),
    "binary": PreparedTask("binary", "rows", ("no", "yes")),
    "multilabel": PreparedTask("multilabel", "rows", ("round", "dark", "new")),
    "regression": PreparedTask("regression", "rows", (), mean=10.0, std=2.0),
    "tagging": PreparedTask("tagging", "rows", ("O", "B-x", "I-x"), length=LENGTH),
}


def drawn(task: PreparedTask) -> tuple[torch.Tensor, np.ndarray]:
    """Logits [K, N, C] of every seed and targets, some of them missing."""
    draws = np.random.default_rng(0)
    rows = ROWS * (LENGTH if task.kind == "tagging" else 1)
    logits = draws.normal(size=(SEEDS, rows, task.outputs)).astype(np.float32)
    if task.kind == "regression":
        targets = draws.normal(size=ROWS).astype(np.float32)
    elif task.kind == "multilabel":
        targets = (draws.random((ROWS, 3)) < 0.3).astype(np.float32)
    else:
        targets = draws.integers(0, len(task.classes), (ROWS, LENGTH) if task.kind == "tagging" else ROWS)
    targets[::7] = -1 if targets.dtype == np.int64 else np.nan
    return torch.from_numpy(logits), targets


def scored(task: PreparedTask, places: list[int]) -> TaskScores:
    """The scores of some of the seeds."""
    logits, targets = drawn(task)
    thresholds = [[0.2 + 0.1 * place] * 3 for place in places] if task.kind == "multilabel" else None
    scorer = scorer_of(task, thresholds)
    flat = targets.reshape(-1) if task.kind == "tagging" else targets
    scorer.take(logits[places], Targets.of(torch.from_numpy(flat).unsqueeze(0)))
    return scorer.scores(targets)


def assert_same(found: TaskScores, wanted: TaskScores) -> None:
    assert (found.source, found.primary, found.undirected) == (wanted.source, wanted.primary, wanted.undirected)
    assert list(found.metrics) == list(wanted.metrics)
    for name, values in wanted.metrics.items():
        np.testing.assert_allclose(found.metrics[name], values, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.labelled, wanted.labelled)
    np.testing.assert_allclose(found.columns, wanted.columns, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.resampled, wanted.resampled, rtol=0, atol=1e-12)
    assert (found.confusions is None) == (wanted.confusions is None)
    if wanted.confusions is not None:
        np.testing.assert_array_equal(found.confusions, wanted.confusions)
        assert found.confusions.dtype == wanted.confusions.dtype


@pytest.mark.parametrize("parts", [[[0], [1], [2], [3]], [[1, 3], [0, 2]], [[2], [0, 1, 3]]], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_some_seeds_each_join_to_those_of_all(kind: str, parts: list[list[int]]) -> None:
    task = KINDS[kind]
    assert_same(joined([(scored(task, places), places) for places in parts]), scored(task, [*range(SEEDS)]))


def test_scores_in_one_part_are_left_as_they_are() -> None:
    scores = scored(KINDS["multiclass"], [0, 1])
    assert joined([(scores, [0, 1])]) is scores


def apart(made: Candidate, folder: Path) -> Candidate:
    """The same networks, a file a slot."""
    folder.mkdir()
    told, tensors = about(made.folder / FILE), load_file(made.folder / FILE)
    for place, slot in enumerate(told["slots"]):
        thresholds = {task: [own[place]] for task, own in told["thresholds"].items()}
        own = json.dumps(told | {"slots": [slot], "thresholds": thresholds})
        path = folder / (f"model-{place}.safetensors" if place else FILE)
        save_file({name: it[place : place + 1].clone() for name, it in tensors.items()}, path, {"headway": own})
    shutil.copy(made.history, folder / "history.parquet")
    return replace(made, folder=folder, history=folder / "history.parquet")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(tmp_path_factory.mktemp("data"))


def test_what_is_told_is_the_same_of_one_file_and_of_one_a_slot(data: Prepared, tmp_path: Path) -> None:
    values: dict[str, Any] = {"model.sharing": "mmoe", "balancing.method": "cosmos", "training.seeds": 3}
    made = candidate(tmp_path / "made", data, with_values(experiment(), values))
    other = apart(made, tmp_path / "apart")
    assert [it.places for it in networks_of(other)] == [[0], [1], [2]]
    test = open_split(data, "test")
    one, two = (score(it, TestSplit(test)) for it in (made, other))
    for task, scores in one.items():
        np.testing.assert_array_equal(two[task].confusions, scores.confusions)
        for name, own in scores.metrics.items():
            np.testing.assert_allclose(two[task].metrics[name], own, rtol=1e-5)
    assert len(gates(made)) == len(front(made)) == 3
    for one_seed, two_seed in zip(gates(made), gates(other), strict=True):
        assert two_seed == pytest.approx(one_seed, rel=1e-5)
    for one_front, two_front in zip(front(made), front(other), strict=True):
        for point, same in zip(one_front, two_front, strict=True):
            assert same.shares == point.shares
            assert same.losses == pytest.approx(point.losses, rel=1e-5)
    assert gaps(other)["far"]["gap"].mean == pytest.approx(gaps(made)["far"]["gap"].mean, abs=1e-6)
    found, wanted = costs({"one": [other]}), costs({"one": [made]})
    assert found["one"].parameters == wanted["one"].parameters


def differing(folder: Path, data: Prepared, *values: dict[str, Any]) -> Candidate:
    """A candidate whose networks were trained with other settings each."""
    base = experiment(training={"epochs": 1, "seeds": len(values), "batch_size": 32})
    experiments = tuple(with_values(base, own) for own in values)
    slots = slots_of(experiments, data)
    states = [trained(data, [slot])[slot.name] for slot in slots]
    folder.mkdir()
    save(folder, data, slots, states)
    history(states).to_parquet(folder / "history.parquet")
    return Candidate("tuned", "tuned", experiments, data, folder, folder / "history.parquet")


def test_networks_of_several_shapes_are_evaluated_together(data: Prepared, tmp_path: Path) -> None:
    made = differing(
        tmp_path / "tuned",
        data,
        {"model.trunk.widths": [7]},
        {"model.trunk.widths": [4, 4], "training.batch_size": 16},
        {"model.trunk.widths": [7], "model.trunk.dropout": 0.5, "training.learning_rate": 0.01},
        {"model.sharing": {"kind": "mmoe", "experts": 2}},
    )
    written = candidate(tmp_path / "written", data, with_values(experiment(), {"training.seeds": 4}))
    found = evaluate([written, made], TestSplit(open_split(data, "test")))
    assert found.seeds[found.seeds["candidate"] == "tuned"]["seed"].max() == 3
    for place in range(4):
        slots = slots_of(made.experiments, data)
        (folder := tmp_path / str(place)).mkdir()
        own = replace(made, folder=folder, experiments=(made.experiments[place],))
        state = trained(data, [slots[place]])[slots[place].name]
        save(folder, data, own.slots, [replace(state, name="seed/0")])
        for task, scores in score(own, TestSplit(open_split(data, "test"))).items():
            rows = found.seeds[(found.seeds["candidate"] == "tuned") & (found.seeds["task"] == task)]
            for name, (value,) in scores.metrics.items():
                told = rows[(rows["metric"] == name) & (rows["seed"] == place)]["value"].item()
                assert told == pytest.approx(value, rel=1e-5)
    assert set(found.gates["seed"]) == {3}
    told = found.settings[found.settings["candidate"] == "tuned"].set_index("key")["value_json"].map(json.loads)
    assert told["model.trunk.widths"] == [[7], [4, 4], [7], [6]]
    assert told["training.epochs"] == 1
    differs = found.candidates.set_index("candidate").loc["tuned", "differs"]
    assert differs == "differs in batch size, epochs, sharing and width (and in dropout and learning rate)"
    assert found.gaps[found.gaps["candidate"] == "tuned"]["gap"].notna().all()


def test_the_cost_is_the_mean_over_seeds(data: Prepared, tmp_path: Path) -> None:
    widths = ({"model.trunk.widths": [6]}, {"model.trunk.widths": [9]}, {"model.trunk.widths": [6]})
    made = differing(tmp_path / "tuned", data, *widths)
    counts = {width: 6 * width + (width + 1) * 7 for width in (6, 9)}  # five inputs; three, one and three outputs
    assert costs({"tuned": [made]})["tuned"].parameters == round((2 * counts[6] + counts[9]) / 3)


def test_every_network_is_asked_about_the_fold_that_it_held_out(tmp_path: Path) -> None:
    data = in_folds(tmp_path, MIXED, rows=60)
    base = experiment_on(data, {"training.folds": 3, "training.seeds": 3, "data.validation": 0.0, "training.epochs": 1})
    experiments = tuple(with_values(base, {"model.trunk.widths": [width]}) for width in (9, 4, 9))
    slots = slots_of(experiments, data)
    states = [trained(data, [slot])[slot.name] for slot in slots]
    save(tmp_path, data, slots, states)
    made = Candidate("tuned", "tuned", experiments, data, tmp_path, tmp_path)
    told = each_slot(made, lambda it: assess(it.network, it.prepared, it.prepared.split("validation")))
    for found, state in zip(told, states, strict=True):
        for key, value in found.items():
            assert value == pytest.approx(state.best[f"validation/{key}"], rel=1e-5)
    wanted = np.mean([state.best["validation/digit/accuracy"] for state in states])
    assert gaps(made)["digit"]["validation"].mean == pytest.approx(wanted)


def test_thresholds_of_labels_go_with_their_networks(tmp_path: Path) -> None:
    data = random_data(tmp_path, MIXED, rows=200)
    base = experiment_on(data, {"training.seeds": 3, "training.epochs": 1})
    experiments: tuple[Experiment, ...] = tuple(
        with_values(base, {"model.trunk.widths": [width]}) for width in (9, 4, 9)
    )
    slots = slots_of(experiments, data)
    states = [trained(data, [slot])[slot.name] for slot in slots]
    made = tmp_path / "made"
    made.mkdir()
    save(made, data, slots, states)
    together = score(Candidate("tuned", "tuned", experiments, data, made, made), TestSplit(data.split("validation")))
    for place, state in enumerate(states):
        (alone := tmp_path / str(place)).mkdir()
        save(alone, data, [slots[place]], [replace(state, name="seed/0")])
        one = Candidate("one", "tuned", (experiments[place],), data, alone, alone)
        (f1,) = score(one, TestSplit(data.split("validation")))["marks"].metrics["macro_f1"]
        assert together["marks"].metrics["macro_f1"][place] == pytest.approx(f1)


def test_networks_of_replicates_are_asked_about_the_rows_of_their_own(tmp_path: Path) -> None:
    data = in_replicates(tmp_path / "data", MIXED, rows=60)
    values = {"model.sharing": "mmoe", "balancing.method": "cosmos", "training.seeds": 3, "training.epochs": 1}
    base = experiment_on(data, values)
    experiments = tuple(with_values(base, {"model.trunk.widths": [width]}) for width in (9, 4, 9))
    slots = slots_of(experiments, data)
    states = [trained(data, [slot])[slot.name] for slot in slots]
    save(tmp_path, data, slots, states)
    made = Candidate("tuned", "tuned", experiments, data, tmp_path, tmp_path)
    assert [(it.places, it.prepared) for it in networks_of(made)] == [([k], data.replicates[k]) for k in range(3)]
    fronts, mixed, apart_gaps = front(made), gates(made), []
    for place, (own, state) in enumerate(zip(data.replicates, states, strict=True)):
        (folder := tmp_path / str(place)).mkdir()
        as_seed = replace(slots[place], replicate=None)
        save(folder, own, [as_seed], [replace(state, name="seed/0")])
        alone = Candidate("tuned", "tuned", (experiments[place],), own, folder, folder)
        assert ([fronts[place]], [mixed[place]]) == (front(alone), gates(alone))
        apart_gaps.append(gaps(alone))
    for task, it in gaps(made).items():
        for split in ("train", "validation"):
            assert it[split].mean == pytest.approx(np.mean([own[task][split].mean for own in apart_gaps]))
    (few,), (many,) = (
        {build_network(data, [it]).count() for it in some} for some in (experiments[1:2], experiments[::2])
    )
    assert costs({"tuned": [made]})["tuned"].parameters == round((few + 2 * many) / 3)
