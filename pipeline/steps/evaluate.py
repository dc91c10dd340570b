"""Evaluate: open the test split once, for all frozen candidates together. Nothing else may import the test split."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from pipeline.config import Experiment
from pipeline.kinds import kind_of
from pipeline.plugins import fingerprint
from pipeline.steps.context import Context
from pipeline.steps.data import log_datasets
from pipeline.steps.runs.logged import duration_s
from pipeline.steps.step import Step
from pipeline.steps.train import HISTORY, Train
from pipeline.tracking import tags
from pipeline.tracking.run import METRIC_NAMES

if TYPE_CHECKING:
    from pipeline.analysis.candidate import Candidate, Role
    from pipeline.analysis.references import References
    from pipeline.data.prepared import Prepared
    from pipeline.data.test_split import TestSplit
    from pipeline.tracking.run import Run

_LEAST_S = 5.0


class Evaluate(Step):
    """All candidates on the same test rows.

    Args:
        experiment: Whose tasks are evaluated.
        prepare: Prepares the data.
        trained: The candidates, default first.
        title: Of the step.
        against: Candidates that all others are held against, beside the single-task networks.
        groupings: The candidates that together predict all tasks, by what they are called together.
    """

    name = "evaluate"
    packages = ("scikit-learn", "scipy")

    def __init__(
        self,
        experiment: Experiment,
        prepare: Step,
        trained: Sequence[Train],
        title: str = "evaluate",
        against: Sequence[str] = (),
        groupings: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.experiment, self.title = experiment, title
        self.inputs = (prepare, *trained)
        self._prepare, self._trained, self._against, self._groupings = prepare, trained, against, groupings

    def implementations(self) -> set[str]:
        """See `Step`: what scores each kind of task."""
        kinds = [kind_of(it.kind) for it in self.experiment.tasks.values()]
        return super().implementations() | {kind.module(it) for kind in kinds for it in (kind.scorer, kind.constant)}

    def reads(self) -> dict[str, Any]:
        """Metrics of the user's own, and who is held against whom."""
        groupings = {name: list(its) for name, its in self._groupings.items()}
        return {
            **self._own_metrics(),
            **({"against": list(self._against)} if self._against else {}),
            **({"groupings": groupings} if groupings else {}),
        }

    def _own_metrics(self) -> dict[str, object]:
        """Metrics of the user's own by task, each with its code; nothing where there are none."""
        tasks = self.experiment.tasks.items()
        found = {name: {path: fingerprint(path) for path in it.own_metrics} for name, it in tasks if it.own_metrics}
        return {"metrics": found} if found else {}

    def tags(self) -> dict[str, str]:
        """Which prepared data's test split is opened."""
        return {tags.PREPARED: self._prepare.digest}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Open test, score every candidate, and give each a child run of its own."""
        from pipeline.analysis.evaluation import evaluate
        from pipeline.data.leaks import unseen_line
        from pipeline.data.prepared import open_prepared
        from pipeline.data.test_split import open_test_split
        from pipeline.training.numerics import settle

        settle()
        prepared = open_prepared(self._prepare.outputs)
        candidates = [candidate_of(prepared, step, self._groupings) for step in self._trained]
        _record_opening(context, run, self._prepare.digest, [candidate.title for candidate in candidates])
        log_datasets(run, prepared, ("test",))
        test = open_test_split(prepared)
        tasks = [task for seen in prepared.replicates or (prepared,) for task in seen.tasks.items()]
        for line in dict.fromkeys(unseen_line(name, task.unseen) for name, task in tasks if task.unseen):
            context.console.detail(line)
        references = self._references(context, prepared, test)
        evaluation = evaluate(
            candidates, test, context.console.detail, references.scores, references.constants, self._against
        )
        evaluation.save(folder)

        def log(name: str, group: str, tasks: Iterable[str], own: Mapping[str, str], step: Train | None = None) -> None:
            named = {tags.STEP: self.name, tags.EXPERIMENT: self.experiment.name}
            child = context.tracker.start(f"evaluate {name}", {**named, **own}, run.id)
            if step:
                child.params(step.parameters())
            child.metrics(evaluation.metrics(group, list(tasks)))
            if names := evaluation.metric_names:
                child.text(json.dumps(names, indent=1), METRIC_NAMES)
            child.end("FINISHED")

        for step, candidate in zip(self._trained, candidates, strict=True):
            # Others are scored as parts of groupings alone.
            if candidate.group in candidate.groups and candidate.group not in self._groupings:
                log(candidate.title, candidate.group, step.experiment.tasks, step.tags(), step)
        for grouping in self._groupings:
            log(grouping, grouping, self.experiment.tasks, {tags.ROLE: "group", tags.PREPARED: self._prepare.digest})
        for method, scores in references.scores.items():
            log(method, method, scores, {tags.ROLE: "reference"})
        run.tags({tags.NOTES: "; ".join(references.notes.values())} if references.notes else {})
        run.artifacts(folder)

    def _references(self, context: Context, prepared: "Prepared", test: "TestSplit") -> "References":
        """What the constant prediction, and methods without a network, make of the same rows."""
        from pipeline.analysis.references import every_reference

        return every_reference(
            prepared,
            test,
            self.experiment.seed,
            reference_s(context) if self.experiment.baselines.reference else None,
            context.console.detail,
            {name: it.own_metrics for name, it in self.experiment.tasks.items()},
        )


def opened_again(prepared: "Prepared") -> "TestSplit":
    """The test split that an evaluate run has opened before, for a caller who chooses nothing by it any more."""
    from pipeline.data.test_split import open_test_split

    return open_test_split(prepared)


def candidate_of(
    prepared: "Prepared", step: Train, groupings: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> "Candidate":
    """What a train step has trained, as it is scored.

    Args:
        prepared: The data.
        step: When it has a result.
        groupings: See `Evaluate`.
    """
    from pipeline.analysis.candidate import Candidate

    return Candidate(
        title=step.candidate,
        role=cast("Role", step.role),
        experiments=tuple(step.experiments),
        prepared=prepared.only(step.experiment.tasks),
        folder=step.outputs,
        history=step.outputs / HISTORY,
        task=step.task,
        tuned=bool(step.winners),
        groupings=tuple(name for name, titles in groupings.items() if step.candidate in titles),
    )


def reference_s(context: Context) -> float:
    """Seconds for methods without a network: half of what the steps before took, so a third of it all."""
    took = [duration_s(context, done) for done in context.done.values()]
    return max(_LEAST_S, sum(seconds for seconds in took if seconds == seconds) / 2)


def _record_opening(context: Context, run: "Run", prepared: str, candidates: list[str]) -> None:
    """Count how often the test split of these prepared data has been opened, before it is opened again."""
    before = [
        one
        for one in context.tracker.runs(f"tags.`{tags.STEP}` = 'evaluate' and tags.`{tags.PREPARED}` = '{prepared}'")
        if tags.TEST_OPENING in one.data.tags and one.info.run_id != run.id
    ]
    run.tags({tags.TEST_OPENING: str(len(before) + 1), tags.TEST_CANDIDATES: ", ".join(candidates)})
