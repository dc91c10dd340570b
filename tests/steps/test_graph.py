"""The graph of steps: which there are, in which order, what a command does of them, and what forcing one forces."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from pipeline.cli import cli
from pipeline.config import load, with_values
from pipeline.errors import UserError
from pipeline.steps.candidates import candidates, job_arms
from pipeline.steps.context import Context
from pipeline.steps.graph import STEPS, WHOLE, Job
from pipeline.steps.restricted import on_data_of, single_task
from pipeline.steps.step import Step, is_forced, key_of, ordered
from pipeline.studies import STUDIES, study
from tests.conftest import REPOSITORY
from tests.steps.made import PREPARE

FLAGSHIP = load("mnist_fashion", {}, REPOSITORY)


def test_without_a_study_candidates_are_default_then_one_network_a_task_then_separate() -> None:
    steps = candidates(with_values(FLAGSHIP, {"tuning": None}), REPOSITORY, PREPARE, "cpu")
    assert [step.title for step in steps] == [
        "train default", "train single mnist", "train single fashion", "train separate",
    ]  # fmt: skip


def test_with_a_study_the_networks_of_one_task_are_tuned_as_well() -> None:
    steps = candidates(FLAGSHIP, REPOSITORY, PREPARE, "cpu")
    assert [step.title for step in steps] == ["train default", "train separate"]
    assert [arm.title for arm in job_arms(FLAGSHIP)] == ["tuned", "single mnist", "single fashion"]


def test_baselines_can_be_switched_off() -> None:
    bare = with_values(FLAGSHIP, {"baselines.single": False, "baselines.separate": None})
    assert [step.title for step in candidates(bare, REPOSITORY, PREPARE, "cpu")] == ["train default"]


def test_a_single_task_baseline_is_the_experiment_on_one_task() -> None:
    given = with_values(FLAGSHIP, {"balancing.weights": {"mnist": 1.2, "fashion": 0.8}, "training.seeds": 3})
    single = single_task(given, "fashion")
    assert list(single.tasks) == ["fashion"]
    assert single.source_names == ["fashion_mnist"]
    assert (single.model, single.training) == (given.model, given.training)
    assert single.balancing.normalised(["fashion"]) == {"fashion": 1.0}


@pytest.mark.parametrize("sharing", ["mmoe", "mtan"])
def test_a_single_task_baseline_has_one_trunk_however_the_tasks_share(sharing: str) -> None:
    mixed = with_values(FLAGSHIP, {"model.sharing": sharing})
    assert single_task(mixed, "fashion") == single_task(FLAGSHIP, "fashion")
    apart = with_values(FLAGSHIP, {"model.sharing": "separate"})
    assert single_task(apart, "fashion").model == apart.model


def test_what_changes_images_of_a_source_goes_where_the_source_goes() -> None:
    flips = {"mnist": ["RandomVerticalFlip"], "fashion_mnist": ["RandomHorizontalFlip"]}
    given = with_values(FLAGSHIP, {"training.augment": flips})
    single, other = single_task(given, "fashion"), on_data_of(given, single_task(FLAGSHIP, "mnist"))
    assert single.training.augment == {"fashion_mnist": ({"RandomHorizontalFlip": {}},)}
    assert other.training.augment == {"mnist": ({"RandomVerticalFlip": {}},)}
    assert with_values(single, {"seed": 1}).training == single.training


def test_the_separate_baseline_takes_data_tasks_and_seeds_and_keeps_its_own_network() -> None:
    given = with_values(FLAGSHIP, {"training.seeds": 3, "seed": 7, "data.mix": "shortest"})
    separate = load("mnist_fashion_separate", {}, REPOSITORY)
    other = on_data_of(separate, given)
    assert (other.data, other.tasks, other.seed, other.training.seeds) == (given.data, given.tasks, 7, 3)
    assert (other.model, other.training.optimizer) == (separate.model, "sgd")


def test_the_separate_baseline_takes_folds_and_may_stop_early_by_them() -> None:
    given = with_values(FLAGSHIP, {"training.folds": 3, "data.validation": 0.0})
    other = on_data_of(load("mnist_fashion_separate", {"training.early_stopping": {"patience": 2}}, REPOSITORY), given)
    assert other.training.folds == 3
    assert other.training.early_stopping is not None


def test_without_validation_the_separate_baseline_stops_early_no_more() -> None:
    given = with_values(FLAGSHIP, {"data.validation": 0.0, "training.early_stopping": None, "tuning": None})
    assert on_data_of(load("mnist_fashion_separate", {}, REPOSITORY), given).training.early_stopping is None


def test_the_key_of_a_candidate_depends_on_what_it_reads_only() -> None:
    def key(experiment) -> str:  # type: ignore[no-untyped-def]
        return candidates(experiment, REPOSITORY, PREPARE, "cpu")[0].key().digest

    same = {"tuning.trials": 15, "slots": 2, "processes": 2, "gate.min_gain": 0.1, "data.root": "x", "name": "other"}
    assert key(with_values(FLAGSHIP, same)) == key(FLAGSHIP)
    for change in ({"training.epochs": 9}, {"seed": 1}, {"model.trunk.dropout": 0.4}, {"data.mix": "shortest"}):
        assert key(with_values(FLAGSHIP, change)) != key(FLAGSHIP), change


JOB = Job(load("debug", {}, REPOSITORY), REPOSITORY)
ORDER = [
    "prepare", "train default", "tune", "train tuned", "tune single digit", "train single digit", "tune single parity",
    "train single parity", "select", "evaluate", "report",
]  # fmt: skip


def titles(steps: Iterable[Step]) -> list[str]:
    return [it.title for it in steps]


def test_the_whole_job_does_every_step_after_its_inputs() -> None:
    assert titles(ordered(*JOB.last(WHOLE))) == titles(ordered(*JOB.last("report"))) == ORDER
    assert {it.name for it in ordered(JOB.report)} == STEPS.keys()


@pytest.mark.parametrize(
    ("command", "arm", "done"),
    [
        ("prepare", "", ["prepare"]),
        ("train", "", ["prepare", "train default"]),
        ("tune", "", ["prepare", "tune"]),
        ("tune", "single parity", ["prepare", "tune single parity"]),
        ("evaluate", "", ORDER[:-1]),
    ],
)
def test_a_command_does_what_its_step_needs_and_no_more(command: str, arm: str, done: list[str]) -> None:
    assert titles(ordered(*JOB.last(command, arm))) == done


def test_an_arm_that_is_not_there_is_one_line() -> None:
    assert JOB.study("single digit").title == "tune single digit"
    with pytest.raises(UserError, match="--arm other: the arms of debug that have a study are tuned, single digit"):
        JOB.study("other")


def test_what_depends_on_winners_has_no_key_before_their_study_is_done() -> None:
    known = [it.title for it in ordered(JOB.report) if key_of(it)]
    assert known == ["prepare", "train default", "tune", "tune single digit", "tune single parity"]
    plain = Job(with_values(JOB.experiment, {"tuning": None}), REPOSITORY)
    assert all(key_of(it) for it in ordered(plain.report))


@pytest.mark.parametrize(
    ("forced", "first"),
    [
        ("prepare", ORDER),
        ("train", [it for it in ORDER if it.startswith("train")] + ORDER[-3:]),
        ("tune", [*ORDER[2:]]),
        ("tune single digit", ["tune single digit", "train single digit", *ORDER[-3:]]),
        ("select", ["select", "report"]),
        ("evaluate", ["evaluate", "report"]),
        ("report", ["report"]),
        ("compare", []),
    ],
)
def test_forcing_a_step_forces_what_depends_on_it(forced: str, first: list[str]) -> None:
    context = Context(REPOSITORY, JOB.experiment, None, None, force=frozenset({forced}))  # type: ignore[arg-type]
    assert [it.title for it in ordered(JOB.report) if is_forced(context, it)] == first


def test_every_command_that_trains_is_an_entry_point_of_mlflow_and_of_the_command_line() -> None:
    named = {WHOLE, *(name for name, about in {**STEPS, **STUDIES}.items() if about)}
    entries = yaml.safe_load((REPOSITORY / "MLproject").read_text())["entry_points"]
    assert entries.keys() == {"main", *named}
    for name, entry in entries.items():
        assert entry["command"] == f"headway {WHOLE if name == 'main' else name} {{experiment}}"
    assert named <= cli.commands.keys()


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_what_its_command_calls(name: str) -> None:
    assert callable(study(name).check)
    assert callable(study(name).run)


def test_a_separate_baseline_that_does_not_exist_is_a_mistake(tmp_path: Path) -> None:
    wrong = with_values(FLAGSHIP, {"baselines.separate": "nothing"})
    with pytest.raises(UserError, match=r"baselines\.separate: unknown experiment 'nothing'"):
        candidates(wrong, REPOSITORY, PREPARE, "cpu")
