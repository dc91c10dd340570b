"""One job: a table is written, drafted, and run through the steps of the product; only nothing is tracked."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from benchmarks.truth.families import Family
from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.statistics.decision import Decision, decide_between
from pipeline.config import Experiment, load
from pipeline.config.compare import TUNED
from pipeline.drafts.table import draft_table
from pipeline.drafts.targets import parse
from pipeline.errors import UserError
from pipeline.steps.console import Console
from pipeline.steps.context import Context
from pipeline.steps.graph import Job
from pipeline.steps.settling import settle
from pipeline.steps.step import perform

SETTINGS: Mapping[str, Any] = {
    "data.test": 0.2, "tuning.trials": 15, "baselines.reference": False, "slots": 8, "processes": 1, "seed": 0,
    "device": "cpu",
}  # fmt: skip
"""Of every job, as `--set` gives them: three trials a replicate, five replicates on one split."""

BY_FOLDS: Mapping[str, Any] = {"data.test": {"folds": 5, "repeats": 2}, "tuning.trials": 30}
"""Of a job whose every row tests: three trials a replicate, ten replicates."""

_REDRAWN, _DRAWS = 10_000, 5  # from a seed to the next that is tried in its place, and how many are

NAME = "made"
"""Of the experiment and its source."""


class _Nothing:
    """A run, or a client, that does nothing of what it is asked."""

    id = ""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None

    @contextmanager
    def outcome_recorded(self) -> Iterator["_Nothing"]:
        """As a run ends."""
        yield self


class Untracked:
    """A tracker that keeps nothing and finds nothing."""

    client = _Nothing()

    def start(self, *_: Any) -> _Nothing:
        """A run."""
        return _Nothing()

    def runs(self, *_: Any) -> list[Any]:
        """None."""
        return []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


@dataclass(frozen=True)
class Trained:
    """What a job trained, before test is opened."""

    context: Context
    job: Job


def settings_of(family: Family) -> dict[str, Any]:
    """All `--set` values of a family's jobs."""
    trunk = {"kind": "mlp", "widths": list(family.widths), "dropout": 0.0}
    return {**SETTINGS, "model.trunk": trunk, **family.settings}


def written(family: Family, seed: int, folder: Path, **about: Any) -> Path:
    """The data set of a job as a CSV file in a project's folder."""
    path = folder / f"{NAME}.csv"
    family.table(seed, **about).to_csv(path, index=False)
    return path


def drafted(family: Family, path: Path, project: Path, values: Mapping[str, Any]) -> Experiment:
    """What `headway init` drafts of a table, with values set over it."""
    (project / "experiments").mkdir(exist_ok=True)
    (project / "MLproject").touch()
    draft = draft_table(path, parse(family.targets), NAME, project)
    file = project / "experiments" / f"{NAME}.yaml"
    file.write_text(draft, encoding="utf-8")
    return load(str(file), dict(values), project)


@contextmanager
def project() -> Iterator[Path]:
    """A project's folder in memory where there is one."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def trained(experiment: Experiment, folder: Path) -> Trained:
    """Prepare, run every arm's study, train the winners, and the experiment as written."""
    context = untracked(experiment, folder)
    settle(context)
    job = Job(context.experiment, folder)
    for step in job.trained:
        perform(context, step)
    return Trained(context, job)


def untracked(experiment: Experiment, folder: Path) -> Context:
    """Of steps of which nothing is tracked; their studies are kept in a journal, which costs less than a database."""
    if experiment.tuning:
        storage = {"storage": f"journal://{folder / 'studies.log'}"}
        experiment = experiment.model_copy(update={"tuning": experiment.tuning.model_copy(update=storage)})
    return Context(folder, experiment, Untracked(), Console(quiet=True))  # type: ignore[arg-type]


def decided(evaluation: Evaluation, experiment: Experiment) -> dict[str, Any]:
    """The decision of the tuned shared network against the single-task ones, as the report takes it."""
    found = decide_between(evaluation, TUNED, SINGLE, experiment.decision.margin, replicates=experiment.replicates)
    said = told(found)
    assert found.delta is not None
    return said | {
        "rows_share": found.delta.rows_var / found.delta.se**2 if found.delta.se else 0.0,
        "unfinished": bool(found.unfinished),
        "tasks": json.dumps(said["tasks"]),
    }


def told(found: Decision) -> dict[str, Any]:
    """Decision, delta_m, low, high and se in percent; `tasks`: mean, se and p of each task's difference."""
    assert found.delta is not None
    interval = found.delta.interval()
    return {
        "decision": found.word,
        "delta_m": found.delta.mean,
        "low": interval.low,
        "high": interval.high,
        "se": found.delta.se,
        "tasks": {task: {"mean": it.mean, "se": it.se, "p": found.p_tasks[task]} for task, it in found.tasks.items()},
    }


def answered(family: Family, seed: int) -> dict[str, Any]:
    """Run a job to its answer: the decision, delta-m with its interval, and what it took."""
    return redrawn(_answered, family, seed, UserError)


def answered_by_folds(family: Family, seed: int) -> dict[str, Any]:
    """The same of a job whose every row tests."""
    return redrawn(partial(_answered, values=BY_FOLDS), family, seed, UserError)


def redrawn(
    run: Callable[[Family, int], dict[str, Any]], family: Family, seed: int, refused: type[Exception]
) -> dict[str, Any]:
    """Run a job; where by chance no row of a split has a label of some task, which is refused, draw the table again.

    Raises:
        Exception: `refused`, where that happens each time.
    """
    for again in range(_DRAWS - 1):
        try:
            return run(family, seed + again * _REDRAWN)
        except refused:
            continue
    return run(family, seed + (_DRAWS - 1) * _REDRAWN)


def _answered(family: Family, seed: int, values: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    began = time.process_time()
    with project() as folder:
        experiment = drafted(family, written(family, seed, folder), folder, {**settings_of(family), **values})
        done = trained(experiment, folder)
        evaluated = perform(done.context, done.job.evaluate)
        found = decided(Evaluation.load(evaluated.folder), done.context.experiment)
    return found | {"cpu_s": time.process_time() - began}
