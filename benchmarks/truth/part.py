"""Parts of the benchmark: what each has a row of, for how many jobs of a family, and how a row comes about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.truth.families import Family

REPLICATES = 20
"""Training sets of each family whose truth is estimated."""

_COMPARED = 25  # of each null family and size of which there are as many jobs
_TOLD = 2  # of each family and size


@dataclass(frozen=True)
class Part:
    """One of them.

    Attributes:
        columns: Of its file, behind family, rows and number.
        count: How many rows a family has.
        row: Function of a family and a number that runs it, as `module:name`; its process alone imports torch.
    """

    columns: tuple[str, ...]
    count: Callable[[Family], int]
    row: str


PARTS: Mapping[str, Part] = {
    "truths": Part(("delta_m", "cpu_s"), lambda it: 0 if it.kind == "coin" else REPLICATES, "truth:replicate_of"),
    "jobs": Part(
        ("decision", "delta_m", "low", "high", "se", "rows_share", "unfinished", "tasks", "cpu_s"),
        lambda it: it.jobs, "job:answered",
    ),
    "folds": Part(
        ("decision", "delta_m", "low", "high", "se", "rows_share", "unfinished", "tasks", "cpu_s"),
        lambda it: it.by_folds, "job:answered_by_folds",
    ),
    "compared": Part(
        ("decision", "delta_m", "claims", "cpu_s"),
        lambda it: _COMPARED if it.is_null and it.rows <= 500 else 0, "compared:compared",
    ),
    "told": Part(("decision", "delta_m", "cpu_s"), lambda it: _TOLD, "told:told"),
}  # fmt: skip


def row(part: str, family: Family, number: int) -> dict[str, Any]:
    """Run a job, or a replicate of a family's truth, in whichever process, and say what came of it."""
    from importlib import import_module

    from pipeline.training.numerics import settle

    settle()
    module, name = PARTS[part].row.split(":")
    found: dict[str, Any] = getattr(import_module(f"benchmarks.truth.{module}"), name)(family, number)
    return {"family": family.name, "rows": family.rows, "number": number} | found
