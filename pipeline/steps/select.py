"""Select: which candidate is registered, served and explained, chosen on validation before test is opened."""

import json
from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment
from pipeline.kinds import kind_of
from pipeline.steps.context import Context
from pipeline.steps.step import Step
from pipeline.steps.train import HISTORY, Train
from pipeline.tracking import tags

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.tracking.run import Run

SELECTED = "selected.json"
_BY_COST = ("default", "tuned", "single")
"""Roles of the candidates, the simplest and cheapest first."""


class Registering(Step, ABC):
    """A step that registers networks as the experiment's model, and keeps in `SELECTED` which.

    Args:
        experiment: Whose model it becomes.
        prepare: Prepares the data.
    """

    name = "select"

    def __init__(self, experiment: Experiment, prepare: Step) -> None:
        self.experiment, self._prepare = experiment, prepare

    def implementations(self) -> set[str]:
        """See `Step`: what a new model and the champion are compared by."""
        kinds = [kind_of(it.kind) for it in self.experiment.tasks.values()]
        return super().implementations() | {kind.module(kind.gate) for kind in kinds}

    def tags(self) -> dict[str, str]:
        """Which prepared data it was chosen on."""
        return {tags.PREPARED: self._prepare.digest}

    def register(self, context: Context, run: "Run", choice: Mapping[str, Any]) -> None:
        """Register the networks of a choice, see `selected`; the inputs have trained them."""
        from pipeline.steps.register import register

        outputs = {it.title: it.outputs for it in self.inputs}
        parts = [(outputs[it["step"]], it["slot"]) for it in choice["networks"]]
        register(context, run, self.experiment, parts, self._prepare, choice["why"])

    def restore(self, context: Context) -> None:
        """Register the model again, if it was deleted or has lost its files; make it champion where that is asked."""
        from pipeline.tracking.registry import version_of_run
        from pipeline.tracking.run import Run

        assert self.result is not None
        name, client = self.experiment.name, context.tracker.client
        if version := version_of_run(client, name, self.result.run_id):
            if context.promote:
                from pipeline.steps.register import promote

                promote(context, Run(client, self.result.run_id, resumed=True), version)
            return
        context.console.line(f"{self.title}: its version of the model {name} is gone: registering it again")
        self.register(context, Run(client, self.result.run_id, resumed=True), selected(self.outputs))


class Select(Registering):
    """The choice among the experiment as written, the tuned shared network and the networks of one task.

    Args:
        experiment: Whose model it becomes.
        prepare: Prepares the data.
        trained: All candidates; those of other roles play no part.
        registers: It registers what it chose; where every row tests, that is trained once more before, see
            `pipeline.steps.champion`.
    """

    title = "select"

    def __init__(self, experiment: Experiment, prepare: Step, trained: Sequence[Train], registers: bool = True) -> None:
        super().__init__(experiment, prepare)
        self._registers = registers
        roles = _BY_COST if len(experiment.tasks) > 1 else _BY_COST[:2]
        self.candidates = {role: [it for it in trained if it.role == role] for role in roles}
        self.inputs = (prepare, *(it for its in self.candidates.values() for it in its))

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Choose, and log the chosen networks as one model, and register it."""
        import pandas as pd

        from pipeline.analysis.statistics.selection import kept_values, select

        every = [it for its in self.candidates.values() for it in its]
        histories = {it.title: pd.read_parquet(it.outputs / HISTORY) for it in every}
        metrics = {task: kind_of(it.kind).primary for task, it in self.experiment.tasks.items()}
        values: dict[str, Any] = {}
        for role, its in self.candidates.items():
            for step in its:
                own = kept_values(histories[step.title], metrics, list(step.experiment.tasks))
                values.setdefault(role, {}).update(own)
        found = select(values, metrics, 100 * self.experiment.decision.margin)
        chosen = self.candidates[found.candidate]
        slots = {step.title: _best(histories[step.title]) for step in chosen}
        if self.experiment.training.folds:  # each seed holds out another fold, and a model is judged on one
            slots = dict.fromkeys(slots, "seed/0")
        choice = {"role": found.candidate, "why": found.why, "networks": networks(slots, chosen)}
        (folder / SELECTED).write_text(json.dumps(choice, indent=1), encoding="utf-8")
        context.console.detail(found.why)
        run.tags({tags.SELECTED: found.candidate})
        if self._registers:
            self.register(context, run, choice)
        run.artifacts(folder)

    def restore(self, context: Context) -> None:
        """See `Registering`."""
        if self._registers:
            super().restore(context)


def networks(slots: Mapping[str, str], trained: Sequence[Train]) -> list[dict[str, str]]:
    """Some networks as `SELECTED` names them.

    Args:
        slots: Which of each step's networks it is, by the steps' titles.
        trained: The steps.
    """
    return [{"key": step.digest, "step": step.title, "slot": slots[step.title]} for step in trained]


def selected(folder: Path) -> Mapping[str, Any]:
    """What was chosen: role, why, and the networks, each with the key of its training, its step and its slot."""
    return json.loads((folder / SELECTED).read_text(encoding="utf-8"))


def _best(history: "pd.DataFrame") -> str:
    """The slot whose kept look has the highest objective on validation; of equal ones the first."""
    import numpy as np

    from pipeline.training.progress import OBJECTIVE

    kept = history[history["kept"]]
    # Of a task without a label in validation none is known.
    return kept.loc[kept[OBJECTIVE].fillna(-np.inf).idxmax(), "slot"]
