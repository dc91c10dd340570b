"""The champion where every row tests: the chosen candidate once more, with steps and keys of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Experiment, load, with_values
from pipeline.steps import register as register_module
from pipeline.steps.champion import Register
from pipeline.steps.console import Console
from pipeline.steps.context import Context, StepResult
from pipeline.steps.graph import WHOLE, Job
from pipeline.steps.select import SELECTED, selected
from pipeline.steps.settling import settled
from pipeline.steps.step import is_forced, key_of, ordered
from pipeline.steps.train import Train
from pipeline.steps.tune import WINNERS
from tests.conftest import REPOSITORY
from tests.steps.made import Made
from tests.steps.test_select import Noted

CHAMPIONS = {
    "default": ["train champion default"],
    "tuned": ["tune champion tuned", "train champion tuned"],
    "single": [
        "tune champion single digit", "train champion single digit",
        "tune champion single parity", "train champion single parity",
    ],
}  # fmt: skip


def debug(**values: Any) -> Experiment:
    """Two tasks, with ten replicates of four trials."""
    plain = {"training.seeds": 10, "tuning.trials": 40, "data.test": "auto", **values}
    return settled(load("debug", plain, REPOSITORY), 10, "so many")


def job(folder: Path, role: str = "", **values: Any) -> Job:
    """The job whose data are prepared, and which has chosen a candidate, if it has."""
    found = Job(debug(**values), REPOSITORY, every_row_tests=True)
    done(found.prepare, Made("prepared", folder))
    assert isinstance(found.select, Register)
    if role:
        choice = found.select._select
        choice.result = StepResult("select", "key", "run", folder / "select", cached=True)
        choice.outputs.mkdir()
        told = {"role": role, "why": "because", "networks": []}
        (choice.outputs / SELECTED).write_text(json.dumps(told))
    return found


def done(step: Any, made: Made) -> None:
    """A prepare step with the result of another."""
    step.result, step.reads = made.result, made.reads


def titles(found: Job) -> list[str]:
    return [it.title for it in ordered(*found.last(WHOLE))]


def test_before_a_candidate_is_chosen_nothing_is_trained_once_more(tmp_path: Path) -> None:
    found = titles(job(tmp_path))
    assert found[-4:] == ["select", "register", "evaluate", "report"]
    assert not [it for it in found if "champion" in it]


def test_what_is_registered_has_no_key_before_the_choice(tmp_path: Path) -> None:
    before, after = job(tmp_path, tuning=None), job(tmp_path, "default", tuning=None)
    assert before.select is not None
    assert key_of(before.select) is None
    assert key_of(before.report) is None
    assert after.select is not None
    key = key_of(after.select)
    assert key is not None
    assert list(key.parts["upstream"]) == ["prepare", "select", "train champion default"]


@pytest.mark.parametrize("role", CHAMPIONS)
def test_the_chosen_candidate_is_trained_once_more_before_test_is_opened(tmp_path: Path, role: str) -> None:
    found = titles(job(tmp_path, role))
    assert found[found.index("select") + 1 : found.index("register")] == CHAMPIONS[role]
    assert found[-3:] == ["register", "evaluate", "report"]


def test_of_one_split_nothing_is() -> None:
    one = Job(with_values(debug(), {"data.test": 0.2}), REPOSITORY)
    assert "register" not in titles(one)
    assert [it.title for it in one.in_use("tuned")] == ["train tuned"]


def test_it_is_one_network_after_as_many_trials_as_a_replicate_had(tmp_path: Path) -> None:
    (train,) = job(tmp_path).in_use("tuned")
    assert train.study is not None
    for it in (train.experiment, train.study.experiment):
        assert (it.training.seeds, it.replicates, it.trials) == (1, 1, 4)
    (plain,) = job(tmp_path, tuning=None).in_use("default")
    assert (plain.study, plain.experiments) == (None, [plain.experiment])


def test_of_single_tasks_there_is_a_network_a_task(tmp_path: Path) -> None:
    assert [(it.task, list(it.experiment.tasks)) for it in job(tmp_path).in_use("single")] == [
        ("digit", ["digit"]), ("parity", ["parity"]),
    ]  # fmt: skip


def test_its_steps_have_keys_of_their_own(tmp_path: Path) -> None:
    found = job(tmp_path, "default")
    others = {key.digest for it in found.trained if (key := key_of(it))}
    (champion,) = found.in_use("default")
    assert champion.key().digest not in others
    (tuned,) = found.in_use("tuned")
    assert tuned.study is not None
    assert tuned.study.key().digest not in {it.key().digest for it in found.studies.values()}
    assert key_of(tuned) is None  # before its study is done


def test_it_learns_from_all_rows_and_the_candidates_from_their_replicates(tmp_path: Path) -> None:
    found = job(tmp_path, "tuned")
    for it in found.in_use("tuned"):
        assert it.reads_all
    assert not any(it.reads_all for it in found.trained)


@pytest.mark.parametrize(
    ("forced", "also"),
    [
        ("select", ["select", "register", "report"]),
        ("register", ["register", "report"]),
        ("evaluate", ["evaluate", "report"]),
    ],
)
def test_forcing_the_choice_forces_what_is_registered(tmp_path: Path, forced: str, also: list[str]) -> None:
    found = job(tmp_path)
    context = Context(REPOSITORY, found.experiment, None, None, force=frozenset({forced}))  # type: ignore[arg-type]
    assert [it.title for it in ordered(found.report) if is_forced(context, it)] == also


def test_what_is_registered_are_the_champions_networks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(register_module, "register", lambda _1, _2, _3, parts, *_: told.append(parts))
    found = job(tmp_path, "single")
    for it in found.in_use("single"):
        assert it.study is not None
        it.study.result = StepResult(it.study.title, "key", "run", tmp_path / it.study.title, cached=True)
        it.study.outputs.mkdir()
        (it.study.outputs / WINNERS).write_text(json.dumps({"winners": [{"values": {}}]}))
        it.result = StepResult(it.title, it.digest, "run", tmp_path / it.title, cached=True)
    (out := tmp_path / "out").mkdir()
    context = Context(tmp_path, found.experiment, None, Console(quiet=True))  # type: ignore[arg-type]
    assert isinstance(found.select, Register)
    found.select.work(context, Noted(), out)
    kept = selected(out)
    assert (kept["role"], kept["why"]) == ("single", "because")
    assert [(it["step"], it["slot"]) for it in kept["networks"]] == [
        ("train champion single digit", "seed/0"), ("train champion single parity", "seed/0"),
    ]  # fmt: skip
    assert [folder.name for folder, _ in told[0]] == [it["step"] for it in kept["networks"]]


def test_its_runs_say_that_they_are_the_champions(tmp_path: Path) -> None:
    trained: list[Train] = [it for role in CHAMPIONS for it in job(tmp_path).in_use(role)]
    assert {it.tags()["headway.role"] for it in trained} == {"champion"}
