"""Several processes that train one network: what torchrun tells those that it starts, read without torch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.config import Experiment

COMMAND = "train"
"""The one command that several processes share."""


@dataclass(frozen=True)
class Launch:
    """How torchrun started this process.

    Attributes:
        rank: Number of the process.
        count: How many processes there are.
        local_rank: Its number on this machine.
        local_count: How many there are on this machine.
        address: Host and port of torchrun's store, where they meet.
    """

    rank: int
    count: int
    local_rank: int
    local_count: int
    address: tuple[str, int]

    def check_command(self, name: str) -> None:
        """Check that the command is one for several processes.

        Raises:
            UserError: It is not.
        """
        if name != COMMAND:
            raise UserError(
                f"torchrun starts {self.count} processes that train one network, which `{COMMAND}` alone does: "
                f"run `headway {name}` without torchrun"
            )

    def check(self, experiment: "Experiment") -> None:
        """Check that the experiment's batches can be shared out.

        Raises:
            UserError: They cannot.
        """
        chunks, batch_size = experiment.training.chunks, experiment.training.batch_size
        if self.count.bit_count() != 1:
            raise UserError(f"torchrun started {self.count} processes: start 2, 4, 8 or another power of two")
        if chunks % self.count:
            wanted = f"set training.chunks to {self.count} or a multiple of it"
            if batch_size < self.count:
                wanted += f", and training.batch_size (now {batch_size}) to at least as many"
            raise UserError(f"{self.count} processes cannot share training.chunks {chunks}: {wanted}")


def check_data_parallel(experiment: "Experiment", name: str, engine: str, launched: Launch | None) -> None:
    """Check that a command can share its networks among `training.data_parallel` processes.

    Args:
        experiment: What is trained.
        name: Name of the command.
        engine: Where networks train.
        launched: How torchrun started this process.

    Raises:
        UserError: It cannot.
    """
    count, setting = experiment.training.data_parallel, "training.data_parallel"
    if count == 1 or name == "prepare":
        return
    if name != COMMAND:
        raise UserError(
            f"{setting} {count} trains one network over {count} processes, which `{COMMAND}` alone does: run `headway "
            f"{COMMAND}` first, and `headway {name}` with --{setting} 1, which finds what that made"
        )
    if launched:
        raise UserError(f"{setting} {count}: torchrun started {launched.count} processes already: set it to 1")
    if engine != "ray":
        raise UserError(
            f"{setting} {count} needs --engine ray; or set it to 1, and start "
            f"`torchrun --nproc-per-node {count} -m pipeline {COMMAND} ...`"
        )


def launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """How torchrun started this process; None of one that trains by itself.

    RANK and WORLD_SIZE alone are left by many a program: only torchrun keeps a store for those that it starts.

    Raises:
        UserError: The variables are not as torchrun writes them.
    """
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    try:
        rank, count, local_rank, local_count, port = (
            int(environment[it]) for it in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")
        )
        found = Launch(rank, count, local_rank, local_count, (environment["MASTER_ADDR"], port))
    except (KeyError, ValueError):
        raise UserError(
            "TORCHELASTIC_USE_AGENT_STORE is set without torchrun's other variables: unset it, or start by torchrun"
        ) from None
    return found if count > 1 else None


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is the first of those that torchrun started, or trains by itself."""
    try:
        launched = launch(environment)
    except UserError:
        return True
    return launched is None or launched.rank == 0
