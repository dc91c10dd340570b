"""Fronts: of networks that were really trained, and of losses that are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.evaluation import Evaluation, evaluate
from pipeline.analysis.front import Point, front, preferences
from pipeline.analysis.hypervolume import estimated, hypervolume
from pipeline.analysis.tables import FRONT, front_table
from pipeline.config import with_values
from pipeline.data.batches import in_order
from pipeline.data.prepared import open_split
from pipeline.data.test_split import TestSplit
from pipeline.model.layers import Preference
from pipeline.reports.figures.tradeoff import fronts
from pipeline.training.assess import assess
from pipeline.training.saved import FILE, load_network, save
from pipeline.training.slot import seed_slots
from tests.analysis.made import by_plotly, candidate, experiment, prepared
from tests.training.folds import in_folds
from tests.training.made import ODD, experiment_on, trained

COSMOS = {"balancing.method": "cosmos"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    folder = tmp_path_factory.mktemp("made")
    return candidate(folder, prepared(folder / "data"), with_values(experiment(), COSMOS))


def test_preferences_go_from_one_task_to_the_other_or_over_the_simplex() -> None:
    two = preferences(2)
    assert len(two) == 11
    assert (two[0], two[5], two[-1]) == ((1.0, 0.0), (0.5, 0.5), (0.0, 1.0))
    third = pytest.approx((1 / 3, 1 / 3, 1 / 3))
    corners = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    assert preferences(3) == [*corners, third, (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)]
    assert [len(preferences(tasks)) for tasks in (4, 6, 7, 40)] == [11, 22, 8, 41]
    assert all(sum(shares) == pytest.approx(1.0) for tasks in range(2, 9) for shares in preferences(tasks))


def test_points_are_what_each_seed_answers_on_validation_to_each_preference(made: Candidate) -> None:
    data = made.prepared
    found = front(made)
    assert [len(points) for points in found] == [7, 7]
    network, _ = load_network(made.folder / FILE, data, made.experiment)
    (layer,) = [layer for _, layer in network.layers() if isinstance(layer, Preference)]
    for number, shares in enumerate(preferences(3)):
        layer.shares = shares
        told = assess(network, data, data.split("validation"))
        for seed, points in enumerate(found):
            assert tuple(points[number].shares.values()) == shares
            for task, value in points[number].metrics.items():
                assert value == told[seed][f"{task}/accuracy"]
            assert points[number].losses == pytest.approx({task: told[seed][f"{task}/nll"] for task in data.tasks})
    assert found[0][0].losses["side"] != found[0][2].losses["side"]


def test_losses_are_those_that_the_tasks_were_trained_by(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    own = {"tasks.side.focal": 2.0}
    made = candidate(tmp_path, data, with_values(experiment(), COSMOS | own))
    network, _ = load_network(made.folder / FILE, data, made.experiment)
    (layer,) = [layer for _, layer in network.layers() if isinstance(layer, Preference)]
    layer.shares = preferences(3)[1]
    (batch,) = [it for it in in_order(data, data.split("validation")) if "side" in it.targets]
    chances = network.forward(batch.inputs)["side"][1].softmax(1)
    right = chances.gather(1, batch.targets["side"].values[0].unsqueeze(1))
    wanted = ((1 - right) ** 2 * -right.log()).mean()
    assert front(made)[1][1].losses["side"] == pytest.approx(float(wanted), rel=1e-5)


def test_each_seed_is_asked_about_the_fold_that_it_held_out(tmp_path: Path) -> None:
    data = in_folds(tmp_path, ODD, rows=51)
    own = {"training.folds": 3, "training.seeds": 3, "data.validation": 0.0, "training.epochs": 1}
    folded = experiment_on(data, COSMOS | own)
    slots = seed_slots(folded, data)
    states = [trained(data, [slot])[slot.name] for slot in slots]
    (saved,) = save(tmp_path, data, slots, states)
    found = front(Candidate("default", "default", (folded,) * 3, data, tmp_path, tmp_path))
    network, _ = load_network(saved, data, folded)
    for seed, slot in enumerate(slots):
        held_out = data.holding_out(slot.fold)
        told = assess(network, held_out, held_out.split("validation"))[seed]
        centre = found[seed][3]  # which is what these networks are asked for by default
        assert centre.metrics == {task: told[f"{task}/accuracy"] for task in data.tasks}


def test_networks_that_are_given_no_preference_have_no_front(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data")
    assert front(candidate(tmp_path / "plain", data, experiment())) == []
    alone = with_values(experiment(tasks={"far": {"kind": "multiclass", "source": "b"}}), COSMOS)
    assert front(candidate(tmp_path / "alone", data.only(["far"]), alone)) == []
    assert front_table({"default": []}, {}).columns.tolist() == FRONT


def test_an_evaluation_keeps_the_fronts_of_the_networks_that_have_one(made: Candidate, tmp_path: Path) -> None:
    other = candidate(tmp_path, made.prepared, experiment(), "separate")
    found = evaluate([made, other], TestSplit(open_split(made.prepared, "test")))
    assert set(found.front["candidate"]) == {"default"}
    assert len(found.front) == 2 * 7 * 3  # seeds, preferences, tasks
    assert "validation/all/hypervolume" not in found.metrics("default", ["side"])  # of three tasks
    found.save(tmp_path)
    pd.testing.assert_frame_equal(Evaluation.load(tmp_path).front, found.front)
    assert (tmp_path / "front.html").is_file()


def known(*seeds: list[tuple[float, float]]) -> pd.DataFrame:
    """The front of a candidate with these losses of two tasks, a list a seed."""
    made = [
        [
            Point({"a": 1 - place / 10, "b": place / 10}, {"a": x, "b": y}, {"a": 1 - x, "b": 1 - y})
            for place, (x, y) in enumerate(points)
        ]
        for points in seeds
    ]
    return front_table({"default": made}, {"a": "accuracy", "b": "accuracy"})


@pytest.mark.parametrize(
    ("points", "area"),
    [
        ([(0.0, 0.0)], 4.0),
        ([(1.0, 1.0)], 1.0),
        ([(0.5, 1.5), (1.0, 1.0), (1.5, 0.5)], 0.75 + 0.5 + 0.25),
        ([(1.5, 0.5), (0.5, 1.5), (1.0, 1.0)], 1.5),
        ([(1.0, 1.0), (1.2, 1.0), (1.0, 1.3), (1.1, 1.1)], 1.0),  # which others beat
        ([(2.0, 0.0), (0.0, 2.5), (3.0, 3.0)], 0.0),
        ([(1.0, 1.0), (0.0, 5.0), (float("nan"), 0.0)], 1.0),
    ],
)
def test_the_hypervolume_is_the_area_that_the_points_beat(points: list[tuple[float, float]], area: float) -> None:
    assert hypervolume(np.array(points)) == pytest.approx(area)


def test_the_hypervolume_of_any_points_is_that_of_a_fine_grid() -> None:
    draws = np.random.default_rng(0)
    grid = (np.stack(np.meshgrid(*[np.arange(400)] * 2), -1).reshape(-1, 2) + 0.5) / 200
    for _ in range(5):
        points = draws.uniform(0.0, 2.4, (12, 2))
        beaten = (points[:, None] <= grid).all(2).any(0)
        assert hypervolume(points) == pytest.approx(4 * beaten.mean(), abs=0.03)


def test_the_hypervolume_of_a_candidate_is_the_mean_over_its_seeds() -> None:
    area = estimated(known([(1.0, 1.0)], [(0.0, 1.0)], [(0.5, 1.0)]), "default")
    assert area is not None
    assert area.mean == pytest.approx(1.5)
    assert area.interval().low == pytest.approx(1.5 - 4.302653 * 0.5 / 3**0.5)
    assert estimated(known([(1.0, 1.0)]), "tuned") is None


def test_two_tasks_have_a_line_of_losses_and_one_of_metrics() -> None:
    losses, metrics = fronts(known([(0.2, 0.8), (0.4, 0.6)], [(0.4, 0.8), (0.6, 0.6)]))
    assert losses.figure is not None
    assert metrics.figure is not None
    (line,) = by_plotly(losses.figure).data
    assert (list(line.x), list(line.y)) == (pytest.approx([0.3, 0.5]), pytest.approx([0.8, 0.6]))
    assert list(line.text) == ["a 1.00, b 0.00", "a 0.90, b 0.10"]
    assert list(by_plotly(metrics.figure).data[0].x) == pytest.approx([0.7, 0.5])
    assert losses.sentence.startswith("Hypervolume of the losses up to (2.0, 2.0), larger is better: default 2.3")


def test_more_tasks_are_drawn_in_pairs(made: Candidate) -> None:
    panels = fronts(front_table({"default": front(made)}, dict.fromkeys(made.prepared.tasks, "accuracy")))
    assert [panel.caption for panel in panels] == [
        "losses of side and odd", "losses of side and far", "losses of odd and far",
    ]  # fmt: skip
