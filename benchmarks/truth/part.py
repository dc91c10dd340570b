"""One row of a part, in whichever process."""

from typing import Any, Literal

from benchmarks.truth.families import Family

Part = Literal["truths", "jobs"]


def row(part: Part, family: Family, number: int) -> dict[str, Any]:
    """Run a job, or a replicate of a family's truth, and say what came of it."""
    from benchmarks.truth.job import answered
    from benchmarks.truth.truth import replicate_of
    from pipeline.training.numerics import settle

    settle()
    about = {"family": family.name, "rows": family.rows}
    if part == "jobs":
        return about | {"seed": number} | answered(family, number)
    return about | {"number": number} | replicate_of(family, number)
