"""The champion where every row tests: the chosen candidate, trained once more on all rows but validation.

The candidates' networks have each learnt from a part of the rows, so that the others could test them: none of them is
put to use. What is, is one more replicate of the whole procedure, with a study of its own where there is one. No rows
are left to test it, so its figures are those of the candidate's replicates.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment
from pipeline.steps.context import Context
from pipeline.steps.select import SELECTED, Registering, Select, networks, selected
from pipeline.steps.step import KeyUnknownError, Step
from pipeline.steps.train import Train
from pipeline.steps.tune import Tune

if TYPE_CHECKING:
    from pipeline.tracking.run import Run

ROLE = "champion"
_SLOT = "seed/0"


class Register(Registering):
    """Trains the champion first, and registers it.

    Args:
        experiment: Whose model it becomes.
        prepare: Prepares the data.
        select: Chooses the candidate.
        device: Resolved.

    Attributes:
        champions: What would be trained, by the role of the candidate that is chosen.
    """

    title = "register"

    def __init__(self, experiment: Experiment, prepare: Step, select: Select, device: str) -> None:
        super().__init__(experiment, prepare)
        self._select = select
        self.champions = {
            role: [_champion(it, prepare, device) for it in its] for role, its in select.candidates.items()
        }

    @property
    def inputs(self) -> Sequence[Step]:  # type: ignore[override]
        """The champion's training is among them once it is known which candidate it is of."""
        return self._prepare, self._select, *(self.champion if self._select.result else ())

    @property
    def champion(self) -> Sequence[Train]:
        """Training of the champion's networks, when the candidate is chosen."""
        return self.champions[selected(self._select.outputs)["role"]]

    def reads(self) -> dict[str, Any]:
        """Nothing more, but before the choice not all inputs are known.

        Raises:
            KeyUnknownError: Nothing is chosen yet.
        """
        if self._select.result is None:
            raise KeyUnknownError(self.title)
        return {}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Register the champion's networks as one model."""
        choice = selected(self._select.outputs)
        slots = dict.fromkeys((it.title for it in self.champion), _SLOT)
        kept = {**choice, "networks": networks(slots, self.champion)}
        (folder / SELECTED).write_text(json.dumps(kept, indent=1), encoding="utf-8")
        self.register(context, run, kept)
        run.artifacts(folder)


def _champion(train: Train, prepare: Step, device: str) -> Train:
    """One more replicate of a candidate, on all rows but validation."""
    called = f"{ROLE} {train.candidate}"
    own, study = _once(train.experiment), None
    if train.study is not None:
        study = Tune(own, prepare, device, called, f"tune {called}", reads_all=True)
    return Train(
        own,
        ROLE,
        prepare,
        device,
        task=train.task,
        study=study,
        winners=study.winners if study else tuple,
        candidate=called,
        reads_all=True,
    )


def _once(experiment: Experiment) -> Experiment:
    """The experiment with one network, and as many trials as a replicate has."""
    training = experiment.training.model_copy(update={"seeds": 1})
    if experiment.tuning is None:
        return experiment.model_copy(update={"training": training})
    trials = {"replicates": 1, "trials": experiment.trials // experiment.replicates}
    tuning = experiment.tuning.model_copy(update=trials)
    return experiment.model_copy(update={"training": training, "tuning": tuning})
