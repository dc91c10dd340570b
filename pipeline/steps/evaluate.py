"""Evaluate: open the test split once, for all frozen candidates together. Nothing else may import the test split."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.config import Experiment, values_read
from pipeline.plugins import fingerprint
from pipeline.steps.context import Context, Done
from pipeline.steps.step import Step
from pipeline.steps.took import took_s
from pipeline.steps.train import HISTORY, Train, log_datasets
from pipeline.tracking import tags
from pipeline.tracking.keys import Key, code_of, versions

if TYPE_CHECKING:
    from pipeline.analysis.candidate import Candidate
    from pipeline.analysis.references import References
    from pipeline.data.prepared import Prepared
    from pipeline.data.test_split import TestSplit
    from pipeline.tracking.run import Run

Trained = Sequence[tuple[Train, Done]]

_LEAST_S = 5.0


class Evaluate(Step):
    """All candidates on the same test rows.

    Args:
        experiment: Whose tasks are evaluated.
        prepared: Key of the prepare step.
        trained: The candidates, default first.
        title: Of the step.
        groupings: The candidates by title that together answer all tasks, by what they are called together.
    """

    name = "evaluate"

    def __init__(
        self,
        experiment: Experiment,
        prepared: str,
        trained: Trained,
        title: str = "evaluate",
        groupings: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.experiment, self.title = experiment, title
        self._prepared, self._trained, self._groupings = prepared, trained, groupings

    def key(self) -> Key:
        """Code and the candidates' keys."""
        return Key(
            {
                "step": self.name,
                "code": code_of(__name__),
                "versions": versions("scikit-learn", "scipy"),
                "values": values_read(self.experiment, "evaluate"),
                **self._own_metrics(),
                **(
                    {"groupings": {name: list(its) for name, its in self._groupings.items()}} if self._groupings else {}
                ),
                "upstream": {"prepare": self._prepared} | {step.title: done.key for step, done in self._trained},
            }
        )

    def _own_metrics(self) -> dict[str, object]:
        """Metrics of the user's own by task, each with its code; nothing where there are none."""
        tasks = self.experiment.tasks.items()
        found = {name: {path: fingerprint(path) for path in it.metrics} for name, it in tasks if it.metrics}
        return {"metrics": found} if found else {}

    def tags(self) -> dict[str, str]:
        """Which prepared data's test split is opened."""
        return {tags.PREPARED: self._prepared}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Open test, score every candidate, and give each a child run of its own."""
        from pipeline.analysis.evaluation import evaluate
        from pipeline.data.prepared import open_prepared
        from pipeline.data.test_split import open_test_split
        from pipeline.training.numerics import settle

        settle()
        prepared = open_prepared(context.prepared_folder(self._prepared))
        candidates = [candidate_of(prepared, step, done, self._groupings) for step, done in self._trained]
        _record_opening(context, run, self._prepared, [candidate.title for candidate in candidates])
        log_datasets(run, context, self._prepared, ("test",))
        test = open_test_split(prepared)
        report = partial(_said, context)
        references = self._references(context, prepared, test)
        evaluation = evaluate(candidates, test.rows, report, references.scores, references.constants)
        evaluation.save(folder)
        for (step, _), candidate in zip(self._trained, candidates, strict=True):
            if candidate.role == "group":
                continue  # it is told of as a part of its groupings
            child = context.tracker.start(f"evaluate {candidate.title}", {tags.STEP: self.name, **step.tags()}, run.id)
            child.params(step.parameters())
            child.metrics(evaluation.metrics(candidate.group, list(step.experiment.tasks)))
            child.end("FINISHED")
        for grouping in self._groupings:
            own = {tags.STEP: self.name, tags.ROLE: "group", tags.PREPARED: self._prepared}
            child = context.tracker.start(f"evaluate {grouping}", own, run.id)
            child.metrics(evaluation.metrics(grouping, list(self.experiment.tasks)))
            child.end("FINISHED")
        for method, scores in references.scores.items():
            own = {tags.STEP: self.name, tags.ROLE: "reference"}
            child = context.tracker.start(f"evaluate {method}", own, run.id)
            child.metrics(evaluation.metrics(method, list(scores)))
            child.end("FINISHED")
        run.tags({tags.NOTES: "; ".join(references.notes.values())} if references.notes else {})
        run.artifacts(folder)

    def _references(self, context: Context, prepared: "Prepared", test: "TestSplit") -> "References":
        """What the constant prediction, and methods without a network, make of the same rows."""
        from pipeline.analysis.references import references

        return references(
            prepared,
            prepared.split("train"),
            test.rows,
            self.experiment.seed,
            reference_s(context) if self.experiment.baselines.reference else None,
            partial(_said, context),
            {name: it.metrics for name, it in self.experiment.tasks.items()},
        )


def candidate_of(
    prepared: "Prepared", step: Train, done: Done, groupings: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> "Candidate":
    """What a train step left, as it is scored.

    Args:
        prepared: The data.
        step: It.
        done: What it answered.
        groupings: See `Evaluate`.
    """
    from pipeline.analysis.candidate import Candidate

    return Candidate(
        title=step.candidate,
        role=step.role,
        experiments=tuple(step.experiments),
        prepared=prepared.only(step.experiment.tasks),
        folder=done.folder,
        history=done.folder / HISTORY,
        task=step.task,
        tuned=bool(step.winners),
        groupings=tuple(name for name, titles in groupings.items() if step.candidate in titles),
    )


def reference_s(context: Context) -> float:
    """Seconds for methods without a network: half of what the steps before took, so a third of it all."""
    took = [took_s(context, done) for done in context.done.values()]
    return max(_LEAST_S, sum(seconds for seconds in took if seconds == seconds) / 2)


def _said(context: Context, text: str) -> None:
    context.say.line(f"  {text}")


def _record_opening(context: Context, run: "Run", prepared: str, candidates: list[str]) -> None:
    """Count how often the test split of these prepared data has been opened, before it is opened again."""
    before = [
        one
        for one in context.tracker.runs(f"tags.`{tags.STEP}` = 'evaluate' and tags.`{tags.PREPARED}` = '{prepared}'")
        if tags.TEST_OPENING in one.data.tags and one.info.run_id != run.id
    ]
    run.tags({tags.TEST_OPENING: str(len(before) + 1), tags.TEST_CANDIDATES: ", ".join(candidates)})
