"""What torchrun tells its processes, and what is left over of it."""

from typing import Any

import pytest

from pipeline.commands.torchrun import Launch, is_first, launch
from pipeline.config import load, with_values
from pipeline.errors import UserError
from tests.conftest import REPOSITORY

ENVIRONMENT = {
    "TORCHELASTIC_USE_AGENT_STORE": "True", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "one", "MASTER_PORT": "29400",
}  # fmt: skip


def started(count: int, rank: int = 0) -> Launch:
    return Launch(rank, count, rank, count, ("one", 1))


def test_it_is_read_from_what_torchrun_sets() -> None:
    assert launch(ENVIRONMENT) == Launch(5, 8, 1, 4, ("one", 29400))
    assert not is_first(ENVIRONMENT)
    assert is_first(ENVIRONMENT | {"RANK": "0"})


def test_one_process_trains_by_itself() -> None:
    assert launch(ENVIRONMENT | {"WORLD_SIZE": "1", "RANK": "0"}) is None
    assert launch({}) is None
    assert is_first({})


def test_a_rank_that_another_program_left_is_not_ours() -> None:
    left = {name: it for name, it in ENVIRONMENT.items() if not name.startswith("TORCHELASTIC")}
    assert launch(left) is None
    assert is_first(left)


@pytest.mark.parametrize("values", [{"RANK": ""}, {"MASTER_PORT": "none"}])
def test_half_of_the_variables_are_said(values: dict[str, str]) -> None:
    with pytest.raises(UserError, match="unset it, or start by torchrun"):
        launch(ENVIRONMENT | values)
    with pytest.raises(UserError, match="without torchrun's other variables"):
        launch({"TORCHELASTIC_USE_AGENT_STORE": "True"})
    assert is_first({"TORCHELASTIC_USE_AGENT_STORE": "True"})  # and says so


@pytest.mark.parametrize("command", ["run", "tune", "compare", "prepare"])
def test_other_commands_are_refused(command: str) -> None:
    started(2).check_command("train")
    with pytest.raises(UserError, match=f"run `headway {command}` without torchrun"):
        started(2).check_command(command)


@pytest.mark.parametrize(
    ("count", "values", "said"),
    [
        (2, {}, "2 processes cannot share training.chunks 1: set training.chunks to 2 or a multiple of it"),
        (4, {"training.chunks": 2}, "4 processes cannot share training.chunks 2: set training.chunks to 4"),
        (
            8,
            {"training.batch_size": 4},
            "to 8 or a multiple of it, and training.batch_size .now 4. to at least as many",
        ),
        (3, {"training.chunks": 4}, "torchrun started 3 processes: start 2, 4, 8 or another power of two"),
    ],
)
def test_batches_that_cannot_be_shared_out_are_said(count: int, values: dict[str, Any], said: str) -> None:
    experiment = with_values(load("debug", {}, REPOSITORY), values)
    with pytest.raises(UserError, match=said):
        started(count).check(experiment)
    started(count - count % 2).check(with_values(experiment, {"training.chunks": 8, "training.batch_size": 64}))
