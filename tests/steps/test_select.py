"""Which networks are registered: of the candidate that validation chose, each task's best replicate."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.config import Experiment, load, with_values
from pipeline.steps import register as register_module
from pipeline.steps.console import Console
from pipeline.steps.context import Context, StepResult
from pipeline.steps.restricted import single_task
from pipeline.steps.select import Select, selected
from pipeline.steps.train import HISTORY, Train
from pipeline.tracking.run import Run
from pipeline.training.progress import OBJECTIVE
from tests.conftest import REPOSITORY
from tests.steps.made import PREPARE

DEBUG = load("debug", {}, REPOSITORY)
ACCURACIES = {
    "default": {"digit": [0.5, 0.6], "parity": [0.7, 0.7]},
    "tuned": {"digit": [0.6, 0.6], "parity": [0.7, 0.8]},
    "single": {"digit": [0.9, 0.8], "parity": [0.7, 0.9]},
}


class Noted(Run):
    """A run that keeps its tags."""

    def __init__(self) -> None:
        self.id, self.kept = "run", dict[str, str]()

    def tags(self, values: Any) -> None:
        self.kept |= values

    def artifacts(self, folder: Path) -> None:
        """Nothing is tracked here."""


def trained(folder: Path, experiment: Experiment, roles: dict[str, dict[str, list[float]]]) -> list[Train]:
    """Candidates with a history of one look."""
    found = []
    for role, tasks in roles.items():
        parts: list[tuple[str | None, Experiment]] = [(None, experiment)]
        if role == "single":
            parts = [(task, single_task(experiment, task)) for task in tasks]
        for task, own in parts:
            step = Train(own, role, PREPARE, "cpu", task=task)
            step.result = StepResult(step.title, step.digest, "run", folder / step.title, cached=True)
            step.outputs.mkdir()
            metrics = {f"validation/{it}/accuracy": tasks[it] for it in own.tasks}
            table = pd.DataFrame({"slot": ["seed/0", "seed/1"], "kept": True, **metrics})
            table[OBJECTIVE] = table[list(metrics)].mean(axis=1)
            table.to_parquet(step.outputs / HISTORY)
            found.append(step)
    return found


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[Path, str]]]:
    """What was handed to the registry."""
    told: list[list[tuple[Path, str]]] = []
    monkeypatch.setattr(register_module, "register", lambda _1, _2, _3, parts, *_: told.append(parts))
    return told


def done_in(folder: Path, roles: dict[str, dict[str, list[float]]], experiment: Experiment = DEBUG) -> dict[str, Any]:
    networks = trained(folder, experiment, roles)
    out = folder / "out"
    out.mkdir()
    context = Context(folder, experiment, None, Console(quiet=True))  # type: ignore[arg-type]
    Select(experiment, PREPARE, networks).work(context, Noted(), out)
    return dict(selected(out))


def test_of_networks_of_one_task_each_is_the_best_replicate_of_its_own(tmp_path: Path, registered: Any) -> None:
    told = done_in(tmp_path, ACCURACIES)
    assert told["role"] == "single"
    assert [(it["step"], it["slot"]) for it in told["networks"]] == [
        ("train single digit", "seed/0"), ("train single parity", "seed/1"),
    ]  # fmt: skip
    assert [(folder.name, slot) for folder, slot in registered[0]] == [
        ("train single digit", "seed/0"), ("train single parity", "seed/1"),
    ]  # fmt: skip


def test_of_a_shared_network_it_is_the_replicate_with_the_best_objective(tmp_path: Path, registered: Any) -> None:
    told = done_in(tmp_path, {role: it for role, it in ACCURACIES.items() if role != "single"})
    assert (told["role"], told["networks"][0]["slot"]) == ("tuned", "seed/1")


def test_under_folds_all_networks_are_of_the_replicate_that_holds_out_the_first(
    tmp_path: Path, registered: Any
) -> None:
    told = done_in(tmp_path, ACCURACIES, with_values(DEBUG, {"training.folds": 2}))
    assert {it["slot"] for it in told["networks"]} == {"seed/0"}


def test_of_one_task_a_network_of_its_own_is_no_candidate(tmp_path: Path, registered: Any) -> None:
    alone = single_task(DEBUG, "digit")
    step = Select(alone, PREPARE, trained(tmp_path, alone, {"default": {"digit": [0.5, 0.6]}}))
    assert set(step.candidates) == {"default", "tuned"}


def test_the_separate_baseline_is_never_chosen(tmp_path: Path) -> None:
    networks = trained(tmp_path, DEBUG, {"default": ACCURACIES["default"]})
    with_it = [*networks, Train(DEBUG, "separate", PREPARE, "cpu")]
    one, other = (Select(DEBUG, PREPARE, it) for it in (networks, with_it))
    assert one.key().digest == other.key().digest


def test_the_margin_and_every_candidate_are_in_the_key(tmp_path: Path) -> None:
    networks = trained(tmp_path, DEBUG, ACCURACIES)
    key = Select(DEBUG, PREPARE, networks).key().digest
    assert Select(with_values(DEBUG, {"decision.margin": 0.02}), PREPARE, networks).key().digest != key
    assert Select(DEBUG, PREPARE, networks[:-1]).key().digest != key
