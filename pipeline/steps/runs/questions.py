"""The usual questions on runs, as filters that MLflow's search box takes as well."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.steps.runs.curves import BEST
from pipeline.tracking import tags
from pipeline.training.progress import OBJECTIVE

KEPT_OBJECTIVE = f"{BEST}{OBJECTIVE}"
DELTA_M = "test/all/delta_m_percent"


@dataclass(frozen=True)
class Question:
    """What may be asked of an experiment's runs.

    Attributes:
        about: What it finds.
        where: The filter.
        order_by: A metric, highest first; empty for the newest first.
        shown: Tags that answer it.
        newest_study: Of all studies the newest alone is asked for.
    """

    about: str
    where: str
    order_by: str = ""
    shown: tuple[str, ...] = ()
    newest_study: bool = False


def _has(tag: str) -> str:
    return f"tags.`{tag}` LIKE '%'"


PIPELINES = _has(tags.COMMAND)
"""The filter of the pipelines' own runs, without those of their steps and trials."""

_TRIALS = f"tags.`{tags.ROLE}` = 'trial'"

QUESTIONS: Mapping[str, Question] = {
    "pipelines": Question("each command's own run, with its answer", PIPELINES, shown=(tags.DECISION,)),
    "best": Question(
        "tuned networks by their gain over the single-task baselines on test, best first",
        f"tags.`{tags.STEP}` = 'evaluate' and tags.`{tags.ROLE}` = 'tuned'",
        DELTA_M,
    ),
    "decisions": Question(
        "what was decided about sharing", f"{PIPELINES} and {_has(tags.DECISION)}", shown=(tags.DECISION,)
    ),
    "unfinished": Question(
        "pipelines with networks that were still improving when they ended",
        f"{PIPELINES} and {_has(tags.UNFINISHED)}",
        shown=(tags.UNFINISHED,),
    ),
    "failed": Question(
        "pipelines that failed or were interrupted, and why",
        f"{PIPELINES} and attributes.status != 'FINISHED' and attributes.status != 'RUNNING'",
        shown=(tags.OUTCOME,),
    ),
    "trials": Question(
        "the trials of the newest study, best first", _TRIALS, KEPT_OBJECTIVE, (tags.TRIAL_STATE,), newest_study=True
    ),
}
"""By name, the first is asked by default."""


def of_study(study: str) -> str:
    """The filter of a study's trials."""
    return f"{_TRIALS} and tags.`{tags.STUDY}` = '{study}'"
