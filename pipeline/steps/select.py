"""Select: which candidate is registered, served and explained, chosen on validation before test is opened."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment, values_read
from pipeline.config.tasks import PRIMARY
from pipeline.steps.context import Context, Done
from pipeline.steps.step import Step
from pipeline.steps.train import HISTORY, Train
from pipeline.tracking import tags
from pipeline.tracking.keys import Key, code_of, versions

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.tracking.run import Run

SELECTED = "selected.json"
_BY_COST = ("default", "tuned", "single")
"""Roles of the candidates, the simplest and cheapest first."""


class Select(Step):
    """The choice among the experiment as written, the tuned shared network and the networks of one task.

    Args:
        experiment: Whose model it becomes.
        prepared: Key of the prepare step.
        trained: All candidates; those of other roles play no part.
    """

    name = title = "select"

    def __init__(self, experiment: Experiment, prepared: str, trained: Sequence[tuple[Train, Done]]) -> None:
        self.experiment = experiment
        self._prepared = prepared
        roles = _BY_COST if len(experiment.tasks) > 1 else _BY_COST[:2]
        self._trained = {role: [it for it in trained if it[0].role == role] for role in roles}

    def key(self) -> Key:
        """Code, the margins and the candidates' keys."""
        return Key(
            {
                "step": self.name,
                "code": code_of(__name__),
                "versions": versions(),
                "values": values_read(self.experiment, "select"),
                "upstream": {"prepare": self._prepared}
                | {step.title: done.key for its in self._trained.values() for step, done in its},
            }
        )

    def tags(self) -> dict[str, str]:
        """Which prepared data it was chosen on."""
        return {tags.PREPARED: self._prepared}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Choose, log the chosen networks as one model, and register it."""
        import pandas as pd

        from pipeline.analysis.selection import kept_values, select
        from pipeline.steps.register import register

        histories = {step.title: pd.read_parquet(done.folder / HISTORY) for step, done in self._every()}
        metrics = {task: PRIMARY[it.kind] for task, it in self.experiment.tasks.items()}
        values: dict[str, Any] = {}
        for role, its in self._trained.items():
            for step, _ in its:
                own = kept_values(histories[step.title], metrics, list(step.experiment.tasks))
                values.setdefault(role, {}).update(own)
        found = select(values, metrics, 100 * self.experiment.decision.margin)
        chosen = self._trained[found.candidate]
        slots = {step.title: _best(histories[step.title]) for step, _ in chosen}
        if self.experiment.training.folds:  # each seed holds out another fold, and a model is judged on one
            slots = dict.fromkeys(slots, "seed/0")
        told = {
            "role": found.candidate,
            "why": found.why,
            "networks": [{"key": done.key, "step": step.title, "slot": slots[step.title]} for step, done in chosen],
        }
        (folder / SELECTED).write_text(json.dumps(told, indent=1), encoding="utf-8")
        context.say.line(f"  {found.why}")
        run.tags({tags.SELECTED: found.candidate})
        parts = [(done.folder, slots[step.title]) for step, done in chosen]
        register(context, run, self.experiment, parts, self._prepared)
        run.artifacts(folder)

    def _every(self) -> list[tuple[Train, Done]]:
        return [it for its in self._trained.values() for it in its]


def selected(folder: Path) -> Mapping[str, Any]:
    """What was chosen: role, why, and the networks, each with the key of its training, its step and its slot."""
    told: Mapping[str, Any] = json.loads((folder / SELECTED).read_text(encoding="utf-8"))
    return told


def _best(history: "pd.DataFrame") -> str:
    """The slot whose kept look has the highest objective on validation; of equal ones the first."""
    import numpy as np

    from pipeline.training.progress import OBJECTIVE

    kept = history[history["kept"]]
    # Of a task without a label in validation none is known.
    slot: str = kept.loc[kept[OBJECTIVE].fillna(-np.inf).idxmax(), "slot"]
    return slot
